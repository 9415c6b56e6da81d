/** The form of an event: new, a duplicate, or a change. */

import * as api from "./api.js";
import { announce, crumb, h, say, show, title } from "./dom.js";
import { form, numeric } from "./form.js";
import { fromLocal, here, toLocal } from "./format.js";
import { apply } from "./act.js";
import { venuePicker } from "./picker.js";

const WEEK = 7 * 86_400_000;
const TIMES = ["start_datetime", "end_datetime", "sales_start", "sales_end"];
const NUMBERS = ["total_capacity", "base_price", "max_tickets_per_booking"];

/** Times are what clocks at the venue show; at one without a zone, as everywhere, those of UTC. */
const zoneAt = (venue) => (venue ? venue.timezone || "UTC" : here);

/**
 * The form, and what it says to begin with; `submit` gets both as the API takes them.
 * @param {any} event what the form begins with
 * @param {{ action: string, leave: string, submit: (sent: Record<string, any>, before: Record<string, any>) => Promise<void> }} how
 */
function eventForm(event, how) {
  let zone = zoneAt(event.venue);
  const zones = TIMES.map(() => h("span"));
  const tell = (venue) => {
    zone = zoneAt(venue);
    zones.forEach((one) => say(one, `In ${zone}`));
  };
  tell(event.venue);
  const time = (at, label, more) => {
    const given = event[TIMES[at]];
    return { name: TIMES[at], label, type: "datetime-local", value: given ? toLocal(given, zone) : "", size: "half", hint: [zones[at], more], optional: Boolean(more) };
  };
  // The currency of what was sold stays what it is.
  const fixed = event.status && event.status !== "draft";
  /** @type {import("./form.js").Field[]} */
  const fields = [
    { name: "name", label: "Name", value: event.name },
    { name: "venue_id", label: "Venue", control: venuePicker("f-venue_id", event.venue, tell) },
    time(0, "Starts"), time(1, "Ends"),
    time(2, "Sales open", "; left empty, once it is published"), time(3, "Sales close", "; left empty, at the start"),
    { name: "total_capacity", label: "Seats", value: event.total_capacity, size: "half", more: { inputmode: "numeric" } },
    { name: "max_tickets_per_booking", label: "Tickets per booking", value: event.max_tickets_per_booking ?? 10, size: "half", hint: "At most", more: { inputmode: "numeric" } },
    { name: "base_price", label: "Price of a seat", value: event.base_price, size: "half", hint: fixed && `In ${event.currency}`, more: { inputmode: "decimal" } },
    ...(fixed ? [] : [{ name: "currency", label: "Currency", value: event.currency, size: "half", optional: true, hint: "Such as EUR; left empty, the service's own", list: Intl.supportedValuesOf("currency") }]),
    { name: "event_type", label: "Type", value: event.event_type, size: "half", hint: "Concert, theatre, sports …" },
    { name: "description", label: "Description", type: "textarea", value: event.description, optional: true },
  ];
  /** @param {Record<string, any>} values */
  const read = (values) => {
    const sent = { ...values };
    for (const name of TIMES) sent[name] = sent[name] ? fromLocal(sent[name], zone) : null;
    for (const name of NUMBERS) sent[name] = numeric(String(sent[name]));
    if (sent.currency) sent.currency = sent.currency.trim().toUpperCase();
    else delete sent.currency;
    return sent;
  };
  const before = read(Object.fromEntries(fields.map((one) => [one.name, one.control ? one.control.value : String(one.value ?? "")])));
  return h("div.card.wide", form(fields, {
    action: how.action,
    submit: (values) => how.submit(read(values), before),
    secondary: h("a.button.quiet", { href: how.leave }, "Leave"),
  }));
}

/** @type {import("./app.js").View} */
export async function newEvent({ element, query }) {
  const from = query.get("from");
  const like = from ? await api.get(`events/${from}`) : {};
  const week = (iso) => new Date(Date.parse(iso) + WEEK).toISOString();
  const begin = from ? { ...like, status: "draft", start_datetime: week(like.start_datetime), end_datetime: week(like.end_datetime), sales_start: null, sales_end: null } : {};
  const keyOf = api.keys();
  title(`${from ? "Duplicate" : "New"} event`);
  show(element, crumb("/events", "My events"),
    h("h1", from ? `Duplicate “${like.name}”` : "New event"),
    h("p.muted", from ? "A week later, and a draft until you publish it." : "It stays a draft that only you see until you publish it."),
    eventForm(begin, {
      action: "Create draft", leave: from ? `#/events/${from}` : "#/events",
      submit: async (sent) => {
        const made = await api.change("POST", "events", sent, keyOf(sent));
        announce("Draft created");
        location.hash = `#/events/${made.event_id}`;
      },
    }));
}

/** @type {import("./app.js").View} */
export async function editEvent({ element, id }) {
  const event = await api.get(`events/${id}`);
  title(`Edit ${event.name}`);
  show(element, crumb(`/events/${id}`, event.name),
    h("h1", "Edit event"),
    eventForm(event, {
      action: "Save", leave: `#/events/${id}`,
      submit: async (sent, before) => {
        const changes = Object.fromEntries(Object.entries(sent).filter(([name, value]) => value !== before[name]));
        if (Object.keys(changes).length && !(await apply(event, changes))) return;
        announce("Saved");
        location.hash = `#/events/${id}`;
      },
    }));
}
