/** The form of an event: new, a duplicate, or a change. */

import * as api from "./api.js";
import { announce, crumb, h, say, show, title } from "./dom.js";
import { form, numeric } from "./form.js";
import { fromLocal, here, toLocal } from "./format.js";
import { apply, blockLines } from "./act.js";
import { venuePicker } from "./picker.js";

const WEEK = 7 * 86_400_000;
const TIMES = ["start_datetime", "end_datetime", "sales_start", "sales_end"];
const NUMBERS = ["total_capacity", "base_price", "max_tickets_per_booking"];

/** Times are what clocks at the venue show; at one without a zone, as everywhere, those of UTC. */
const zoneAt = (venue) => (venue ? venue.timezone || "UTC" : here);

/**
 * The form, and what it says to begin with; `submit` gets both as the API takes them.
 * @param {any} event what the form begins with
 * @param {{ action: string, leave: string, blocks?: any[], submit: (sent: Record<string, any>, before: Record<string, any>) => Promise<void> }} how
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
  const whole = { size: "half", more: { inputmode: "numeric" } };
  // The currency of what was sold stays what it is.
  const fixed = event.status && event.status !== "draft";
  const lines = blockLines(how.blocks || [], zone);
  /** @type {import("./form.js").Field[]} */
  const fields = [
    { name: "name", label: "Name", value: event.name },
    { name: "venue_id", label: "Venue", control: venuePicker("f-venue_id", event.venue, tell) },
    time(0, "Starts"), time(1, "Ends"),
    time(2, "Sales open", "; left empty, once it is published"), time(3, "Sales close", "; left empty, at the start"),
    { name: "total_capacity", label: "Seats", value: event.total_capacity, ...whole },
    { name: "max_tickets_per_booking", label: "Tickets per booking", value: event.max_tickets_per_booking ?? 10, hint: "At most", ...whole },
    { name: "base_price", label: "Price of a seat", value: event.base_price, size: "half", hint: fixed && `In ${event.currency}`, more: { inputmode: "decimal" } },
    ...(fixed ? [] : [{ name: "currency", label: "Currency", value: event.currency, size: "half", optional: true, hint: "Such as EUR; left empty, the service's own", list: Intl.supportedValuesOf("currency") }]),
    { name: "event_type", label: "Type", value: event.event_type, size: "half", hint: "Concert, theatre, sports …" },
    { name: "description", label: "Description", type: "textarea", value: event.description, optional: true },
    ...lines.fields,
  ];
  /** @param {Record<string, any>} values */
  const read = (values) => {
    const sent = { ...values };
    for (const { name } of lines.fields) delete sent[name];
    if (how.blocks) sent.holdbacks = lines.read(values, zone);
    for (const name of TIMES) sent[name] = sent[name] ? fromLocal(sent[name], zone) : null;
    for (const name of NUMBERS) sent[name] = numeric(String(sent[name]));
    if (sent.currency) sent.currency = sent.currency.trim().toUpperCase();
    else delete sent.currency;
    return sent;
  };
  const before = read(Object.fromEntries(fields.map((one) => [one.name, one.control ? one.control.value : String(one.value ?? "")])));
  return h("div.card.wide", form(fields, {
    action: how.action,
    submit: (values) => lines.placed(how.submit(read(values), before)),
    secondary: h("a.button.quiet", { href: how.leave }, "Leave"),
  }));
}

/** @type {import("./app.js").View} */
export async function newEvent({ element, query }) {
  const from = query.get("from");
  const like = from ? await api.get(`events/${from}`) : {};
  const zone = zoneAt(like.venue);
  // By the clocks at the venue, which may be changed between.
  const week = (iso) => fromLocal(new Date(Date.parse(`${toLocal(iso, zone)}Z`) + WEEK).toISOString().slice(0, 16), zone);
  const begin = from ? { ...like, status: "draft", start_datetime: week(like.start_datetime), end_datetime: week(like.end_datetime), sales_start: null, sales_end: null } : {};
  // Of a block that has no seats any more, it is not known how many it had.
  const blocks = like.holdbacks?.map((one) => ({ ...one, quantity: one.quantity || "", release_at: Date.parse(one.release_at) + WEEK > api.now() ? week(one.release_at) : null }));
  const keyOf = api.keys();
  title(`${from ? "Duplicate" : "New"} event`);
  show(element, crumb("/events", "My events"),
    h("h1", from ? `Duplicate “${like.name}”` : "New event"),
    h("p.muted", from ? `A week later${blocks.length ? ", with its blocks of seats below" : ""}, and a draft until you publish it.` : "It stays a draft that only you see until you publish it."),
    eventForm(begin, {
      blocks, action: "Create draft", leave: from ? `#/events/${from}` : "#/events",
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
