/** One event: what it is, its seats as they sell, its sales by day and by minute, and what happened. */

import * as api from "./api.js";
import { announce, crumb, h, panel, say, show, title } from "./dom.js";
import { doing } from "./form.js";
import { clock, dayAndMonth, fromNow, money, moment, number, percent, span, zoneOf } from "./format.js";
import { chart, seatBar } from "./chart.js";
import { apply, cancel, changeBlocks, changeNumber, closeForGood, closing } from "./act.js";
import { history, valueOf } from "./history.js";
import { every } from "./live.js";
import { attentionFor, changeable, seatsOf, stateOf } from "./seats.js";

const LIVE_MS = 1000;
const MINUTES_MS = 5000;
const DAYS_MAX = 60;
const MINUTES = 60;
const VERSIONS = 100;
const DAY = 86_400_000;

/** @type {import("./app.js").View} */
export async function eventPage({ element, id, gone }) {
  let { value: event, etag } = /** @type {any} */ (await api.poll(`events/${id}`, ""));
  /** @type {any} */
  let inventory = null;
  /** @type {any[]} */
  let trends = [];
  title(event.name);
  const parts = {
    head: h("div"), why: h("div"), seats: h("section.panel.seats-panel", { "aria-label": "Seats" }),
    holds: h("div"), days: h("div"), minutes: h("div"), facts: h("section.panel", { "aria-label": "Details" }),
    versions: h("div"), reached: h("p.reached", { role: "status" }),
  };
  let drawn = "";
  /** @type {Map<number, any>} */
  const versions = new Map();

  // What is done later is done to the event as it is then.
  const latest = () => event;
  const saved = (after, text = "Saved") => {
    event = after;
    etag = "";
    announce(text);
    draw();
    // If that fails, it is read with the next change.
    readLedger().catch(() => {});
  };

  function draw() {
    const now = JSON.stringify([{ ...event, available_seats: 0, version: 0, revenue: 0, updated_at: 0 }, stateOf(event)]);
    // A dialog that closes gives the focus back to what has opened it, which has to be there still.
    if (now !== drawn && !document.querySelector("dialog[open]")) {
      drawn = now;
      show(parts.head, head(event, latest, saved));
      show(parts.facts, facts(event, latest, saved));
    }
    const why = event.status !== "draft" && attentionFor(event);
    if (parts.why.textContent !== (why ? why.text : "")) show(parts.why, why && h("p", { class: `note why-${why.kind}` }, why.text));
    drawSeats(parts.seats, event);
    if (inventory) drawHolds(parts.holds, inventory.holds);
  }

  async function readInventory() {
    inventory = await api.get(`events/${id}/inventory`);
    event = { ...event, ...inventory, held_seats: inventory.held, held_back_seats: inventory.held_back };
    draw();
  }

  async function readLedger() {
    const [days, minutes, newest] = await Promise.all([
      api.get(`events/${id}/analytics`),
      api.get(`events/${id}/analytics`, { bucket: "minute" }),
      api.get(`events/${id}/history`, { limit: VERSIONS }),
    ]);
    if (gone.aborted) return;
    trends = minutes.booking_trends;
    show(parts.days, byDay(days.booking_trends));
    show(parts.minutes, byMinute(trends));
    drawHistory(newest);
  }

  function drawHistory(found) {
    if (found.archived) return show(parts.versions, h("p.muted", "Archived: its history is kept in files. The sales of each day stay here."));
    for (const row of found.history) versions.set(row.version, row);
    const rows = [...versions.values()].sort((one, other) => other.version - one.version);
    const older = async () => drawHistory(await api.get(`events/${id}/history`, { limit: VERSIONS, page: Math.floor((found.total - rows.at(-1).version) / VERSIONS) + 1 }));
    show(parts.versions, history(rows, event), rows.at(-1).version > 1 && doing("Show older", older));
  }

  draw();
  await readInventory();
  await readLedger();
  show(element,
    crumb("/events", "My events"), parts.head, parts.why, parts.reached,
    h("div.columns",
      h("div", parts.seats, parts.holds,
        panel("Sold per day", parts.days),
        panel("The last hour, by minute", parts.minutes)),
      h("div", parts.facts, panel("History", parts.versions))));

  let told = event.version;
  every(LIVE_MS, async () => {
    const found = await api.poll(`events/${id}`, etag);
    if (gone.aborted) return;
    if (found) event = { ...event, ...found.value };
    if (found) etag = found.etag;
    // Sales open, and holds expire, by the time alone.
    draw();
    if (found) await readInventory();
  }, gone, (reached) => say(parts.reached, reached ? "" : "The service cannot be reached. The numbers are from before; trying again …"));
  every(MINUTES_MS, async () => {
    // The hour goes on, whether anything is sold or not.
    const { version } = event;
    if (told === version) return show(parts.minutes, byMinute(trends));
    await readLedger();
    // What could not be read is read at the next turn.
    told = version;
  }, gone);
}

function head(event, latest, saved) {
  const state = stateOf(event);
  const zone = zoneOf(event);
  const doingTo = (label, changes, text, kind = "", name = "") => doing(label, async () => {
    const after = await apply(latest(), changes());
    if (after) saved(after, text);
  }, kind, name);
  const open = changeable(event);
  const ahead = Date.parse(event.start_datetime) > api.now();
  const draft = event.status === "draft";
  const early = Date.parse(event.sales_start) > api.now();
  const late = Date.parse(event.sales_end) <= api.now();
  const selling = open && !draft && !early && !late;
  return [
    h("div.head",
      h("div", h("h1", event.name, " ", h("span", { class: `state is-${state.kind}` }, state.text)),
        h("p.muted", span(event.start_datetime, event.end_datetime, zone), ` (${zone})`, h("br"),
          `${event.venue_name}, ${event.venue_city} · ${event.event_type}`)),
      h("div.actions",
        draft && ahead && doingTo("Publish", () => ({ status: "published" }), early ? "Published" : "On sale now", "primary"),
        open && !draft && (early || late) && doingTo("Open sales now", () => (early ? { sales_start: null } : { sales_end: null }), "Sales are open", "primary", "sales"),
        selling && (event.paused
          ? doingTo("Resume sales", () => ({ paused: false }), "Sales go on", "primary")
          : doingTo("Pause sales", () => ({ paused: true }), "Sales are paused")),
        selling && (ahead ? doingTo("Close sales now", closing, "Sales are closed", "", "sales") : h("button", { onclick: () => closeForGood(latest(), saved) }, "Close sales now")),
        open && h("a.button", { href: `#/events/${event.event_id}/edit` }, "Edit"),
        h("a.button", { href: `#/events/new?from=${event.event_id}` }, "Duplicate"),
        open && h("button.danger.quiet", { onclick: () => cancel(latest(), saved) }, "Cancel event"))),
    draft && h("p.note", `A draft: only you see it. ${!ahead ? "Its start has passed: change it, or cancel." : early ? `Publish it, and sales open ${moment(event.sales_start, zone)}.` : "Publish it to put it on sale."}`),
  ];
}

/**
 * @param {HTMLElement} place
 * @param {any} event
 */
function drawSeats(place, event) {
  const seats = seatsOf(event);
  const key = JSON.stringify([seats, event.revenue]);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  show(place,
    h("div.figures-line",
      h("p.big", h("strong", percent(seats.sold, event.total_capacity)), h("span", ` of ${number(event.total_capacity)} seats sold`)),
      h("p.big", h("strong", { "data-revenue": event.revenue }, money(event.revenue, event.currency)), h("span", " revenue"))),
    seatBar(seats, true));
}

/**
 * @param {HTMLElement} place
 * @param {any} holds
 */
function drawHolds(place, { active, next_expires_at: next, confirmed_percent: share }) {
  const told = [number(active), next ? fromNow(next) : "–", share === null ? "–" : `${number(share)}%`];
  const key = String(told);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  show(place, h("section.panel", { "aria-label": "Holds" }, h("h2", "Holds"),
    h("dl.legend", ["Active", "Next expires", "Confirmed"].map((name, at) => fact(name, told[at])))));
}

/**
 * @param {string} name
 * @param {any} value
 * @param {Node | false | null} [action]
 */
const fact = (name, value, action) => h("div", h("dt", name), h("dd", value, action ? [" ", action] : null));

function facts(event, latest, saved) {
  const zone = zoneOf(event);
  const open = changeable(event);
  const change = (what, work) =>
    open && h("button.link", { "aria-label": `Change ${what}`, onclick: work }, "Change");
  return [
    h("h2", "Details"),
    h("dl.facts",
      fact("Price", money(event.base_price, event.currency), change("the price", () => changeNumber(latest(), "base_price", saved))),
      fact("Capacity", number(event.total_capacity), change("the capacity", () => changeNumber(latest(), "total_capacity", saved))),
      fact("Per booking", `${number(event.max_tickets_per_booking)} at most`),
      fact("Held back", valueOf("holdbacks", event.holdbacks, event), change("blocks", () => changeBlocks(latest(), saved))),
      fact("Sales open", event.sales_start ? moment(event.sales_start, zone) : "once published"),
      fact("Sales close", event.sales_end ? moment(event.sales_end, zone) : "at the start")),
    event.description ? h("p.description", event.description) : h("p.muted", "No description."),
  ];
}

const bar = (label, one) => ({ label, sold: one?.tickets_sold || 0, returned: one?.tickets_returned || 0 });

/** @param {any[]} trends */
function byDay(trends) {
  if (!trends.length) return h("p.muted", "Nothing sold yet.");
  const sums = new Map(trends.map((one) => [one.date, one]));
  const today = Math.floor(api.now() / DAY) * DAY;
  const first = Math.max(Date.parse(trends[0].date), today - (DAYS_MAX - 1) * DAY);
  const bars = [];
  for (let at = Math.min(first, today - 6 * DAY); at <= today; at += DAY) {
    const iso = new Date(at).toISOString();
    const one = sums.get(iso.slice(0, 10));
    bars.push(bar(dayAndMonth(iso, "UTC"), one));
  }
  return chart(bars, { title: "Sold per day", first: bars[0].label, last: "today (UTC)" });
}

/** @param {any[]} trends */
function byMinute(trends) {
  const sums = new Map(trends.map((one) => [Date.parse(one.start), one]));
  const last = Math.floor(api.now() / 60_000) * 60_000;
  const bars = Array.from({ length: MINUTES }, (_, at) => {
    const start = last - (MINUTES - 1 - at) * 60_000;
    const one = sums.get(start);
    return bar(clock(new Date(start).toISOString()), one);
  });
  if (!bars.some((one) => one.sold || one.returned)) return h("p.muted", "Nothing sold in the last hour.");
  return chart(bars, { title: "The last hour, by minute", first: bars[0].label, last: "now" });
}
