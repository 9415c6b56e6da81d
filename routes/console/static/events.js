/** My events: what wants attention first, then all, searchable, a page at a time. */

import * as api from "./api.js";
import { empty, h, heads, show } from "./dom.js";
import { money, moment, number, percent, zoneOf } from "./format.js";
import { seatBar } from "./chart.js";
import { attentionFor, seatsOf, stateOf } from "./seats.js";
import { every } from "./live.js";
import { pager, searchBox, turning } from "./lists.js";

const PAGE = 25;
const ATTENTION = 12;
const REFRESH_MS = 5000;
/** @type {[string, string, () => Record<string, any>][]} */
const FILTERS = [
  ["", "Coming", () => ({ date_from: new Date().toISOString() })],
  ["draft", "Drafts", () => ({ status: "draft" })],
  ["past", "Past", () => ({ date_to: new Date().toISOString(), order: "-start" })],
  ["cancelled", "Cancelled", () => ({ status: "cancelled", order: "-start" })],
  ["all", "All", () => ({})],
];

/** @type {import("./app.js").View} */
export async function events({ element, query, gone }) {
  const attention = h("section.attention", { "aria-label": "Needs attention" });
  const tabs = h("div.tabs", { role: "group", "aria-label": "Which events" });
  const list = h("div.results");
  const turn = turning("/events", query, refresh);

  async function refresh() {
    const at = String(query);
    const [shown, , asked] = FILTERS.find(([name]) => name === query.get("show")) || FILTERS[0];
    const search = query.get("search");
    const page = Number(query.get("page")) || 1;
    const [found, wanting] = await Promise.all([
      api.get("events", { ...asked(), search, page, limit: PAGE }),
      page === 1 && !search && !shown ? api.get("events", { attention: true, limit: ATTENTION }) : null,
    ]);
    // What was typed meanwhile is asked for on its own.
    if (gone.aborted || at !== String(query)) return;
    show(tabs, FILTERS.map(([name, label]) =>
      h("button", { "aria-pressed": String(name === shown), onclick: () => turn({ show: name, page: "" }) }, label)));
    drawAttention(attention, wanting?.events || []);
    show(list, found.events.length ? table(found.events) : nothing(shown, search),
      pager(found, PAGE, (to) => turn({ page: to > 1 && to })));
  }

  await refresh();
  show(element,
    h("div.head", h("h1", "My events"), h("a.button.primary", { href: "#/events/new" }, "New event")),
    attention,
    h("div.tools", tabs, searchBox(query, "events", "Name, venue or city", turn)), list);
  every(REFRESH_MS, refresh, gone);
}

/**
 * @param {HTMLElement} place
 * @param {any[]} found
 */
function drawAttention(place, found) {
  const wanting = found.map((event) => ({ event, why: attentionFor(event) })).filter(({ why }) => why);
  place.hidden = !wanting.length;
  show(place, h("h2", "Needs attention"), h("ul", wanting.map(({ event, why }) =>
    h("li", { class: `why-${why?.kind}` }, h("a", { href: `#/events/${event.event_id}` },
      h("strong", event.name), h("span.why", why?.text), h("span.muted", moment(event.start_datetime, zoneOf(event))))))));
}

/** @param {any[]} found */
function table(found) {
  return h("table.list",
    heads(["Event", "Status", "Seats", "Revenue"], [3]),
    h("tbody", found.map(row)));
}

function row(event) {
  const seats = seatsOf(event);
  const state = stateOf(event);
  return h("tr",
    h("td", h("a", { href: `#/events/${event.event_id}`, class: "name" }, event.name),
      h("span.muted", `${moment(event.start_datetime, zoneOf(event))} · ${event.venue_name}, ${event.venue_city}`)),
    h("td", h("span", { class: `state is-${state.kind}` }, state.text)),
    h("td.fill", seatBar(seats),
      h("span.muted", `${number(seats.sold)} of ${number(event.total_capacity)} sold · ${percent(seats.sold, event.total_capacity)}`)),
    h("td.n", money(event.revenue, event.currency)));
}

function nothing(shown, search) {
  if (search) return empty("No event is called that", `Nothing has “${search}” in its name, venue or city. Try fewer letters, or look among all.`);
  if (shown === "past" || shown === "cancelled") return empty("Nothing here", "Events move here by themselves.");
  return empty(shown === "draft" ? "No drafts" : "No events are coming", "Create one: it stays a draft that only you see until you publish it.",
    h("a.button.primary", { href: "#/events/new" }, "Create an event"));
}
