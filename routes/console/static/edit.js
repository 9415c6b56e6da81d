/** The form of an event: new, a duplicate, or a change. */

import * as api from "./api.js";
import { announce, crumb, h, show } from "./dom.js";
import { form, numeric } from "./form.js";
import { fromLocal, here, toLocal, zoneOf } from "./format.js";
import { apply } from "./act.js";
import { venuePicker } from "./picker.js";

const WEEK = 7 * 86_400_000;
const TIMES = ["start_datetime", "end_datetime", "sales_start", "sales_end"];
const NUMBERS = ["total_capacity", "base_price", "max_tickets_per_booking"];

/**
 * @param {any} event what the form begins with
 * @param {string} zone
 * @param {boolean} windowed whether sales may open and close at times of their own
 * @returns {import("./form.js").Field[]}
 */
function fields(event, zone, windowed) {
  const local = (name) => (event[name] ? toLocal(event[name], zone) : "");
  const picker = venuePicker("f-venue_id", event.venue);
  const time = (name, label, more = {}) => ({ name, label, type: "datetime-local", value: local(name), half: true, hint: `In ${zone}`, ...more });
  return [
    { name: "name", label: "Name", value: event.name },
    { name: "venue_id", label: "Venue", control: picker },
    time("start_datetime", "Starts"), time("end_datetime", "Ends"),
    { name: "total_capacity", label: "Seats", value: event.total_capacity, half: true, more: { inputmode: "numeric" } },
    { name: "base_price", label: "Price of a seat", value: event.base_price, half: true, more: { inputmode: "decimal" } },
    { name: "event_type", label: "Type", value: event.event_type, half: true, hint: "Concert, theatre, sports …" },
    { name: "max_tickets_per_booking", label: "Tickets per booking", value: event.max_tickets_per_booking ?? 10, half: true, hint: "At most", more: { inputmode: "numeric" } },
    ...(windowed ? [time("sales_start", "Sales open", { optional: true, hint: "Once published, if left empty" }), time("sales_end", "Sales close", { optional: true, hint: "At the start, if left empty" })] : []),
    { name: "description", label: "Description", type: "textarea", value: event.description, optional: true },
  ];
}

/**
 * What the form says, as the API takes it.
 * @param {Record<string, any>} values
 * @param {string} zone
 */
function body(values, zone) {
  const sent = { ...values };
  for (const name of TIMES) if (name in sent) sent[name] = sent[name] ? fromLocal(sent[name], zone) : null;
  for (const name of NUMBERS) sent[name] = numeric(String(sent[name]));
  return sent;
}

/** @type {import("./app.js").View} */
export async function newEvent({ element, query }) {
  const from = query.get("from");
  const like = from ? await api.get(`events/${from}`) : {};
  const week = (iso) => new Date(Date.parse(iso) + WEEK).toISOString();
  const begin = from ? { ...like, start_datetime: week(like.start_datetime), end_datetime: week(like.end_datetime), sales_start: null, sales_end: null } : {};
  const zone = from ? zoneOf(like) : here;
  const keyOf = api.keys();
  document.title = `${from ? "Duplicate" : "New"} event · Evently`;
  show(element, crumb("/events", "My events"),
    h("h1", from ? `Duplicate “${like.name}”` : "New event"),
    h("p.muted", from ? "A week later, and a draft until you publish it." : "It stays a draft that only you see until you publish it."),
    h("div.card.wide", form(fields(begin, zone, "sales_start" in like), {
      action: "Create draft",
      submit: async (values) => {
        const sent = body(values, zone);
        for (const name of ["sales_start", "sales_end"]) if (sent[name] === null) delete sent[name];
        const made = await api.change("POST", "events", sent, keyOf(sent));
        announce("Draft created");
        location.hash = `#/events/${made.event_id}`;
      },
      secondary: h("a.button.quiet", { href: from ? `#/events/${from}` : "#/events" }, "Leave"),
    })));
}

/** @type {import("./app.js").View} */
export async function editEvent({ element, id }) {
  const event = await api.get(`events/${id}`);
  const zone = zoneOf(event);
  const before = body(Object.fromEntries(fields(event, zone, "sales_start" in event).map((one) => [one.name, one.control ? event.venue_id : String(one.value ?? "")])), zone);
  document.title = `Edit ${event.name} · Evently`;
  show(element, crumb(`/events/${id}`, event.name),
    h("h1", "Edit event"),
    h("div.card.wide", form(fields(event, zone, "sales_start" in event), {
      action: "Save",
      submit: async (values) => {
        const sent = body(values, zone);
        const changes = Object.fromEntries(Object.entries(sent).filter(([name, value]) => value !== before[name]));
        if (Object.keys(changes).length && !(await apply(event, changes))) return;
        announce("Saved");
        location.hash = `#/events/${id}`;
      },
      secondary: h("a.button.quiet", { href: `#/events/${id}` }, "Leave"),
    })));
}
