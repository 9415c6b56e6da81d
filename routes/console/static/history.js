/** An event's history in sentences. Seat moves that follow each other are told as one. */

import { h } from "./dom.js";
import { clock, count, day, money, moment, number } from "./format.js";

const NAMES = {
  total_capacity: "capacity", base_price: "price", max_tickets_per_booking: "tickets per booking",
  start_datetime: "start", end_datetime: "end", event_type: "type", venue_id: "venue", sales_start: "sales open",
  sales_end: "sales close", holdbacks: "blocks",
};
const MOVES = { reserved: "sold", confirmed: "sold from holds", returned: "returned", held: "held", hold_changed: "held anew", released: "released", expired: "expired" };

export function valueOf(field, value, event) {
  if (value === null || value === undefined) return "none";
  if (field === "base_price") return money(Number(value), event.currency);
  if (/_(datetime|start|end)$/.test(field)) return moment(value, event.timezone);
  if (field === "holdbacks") return value.map((one) => `${one.name} ${number(one.quantity)}`).join(", ") || "none";
  if (typeof value === "number") return number(value);
  return String(value);
}

/**
 * One field that was changed; what it was before may not be known.
 * @param {string} field
 * @param {any} before
 * @param {any} after
 * @param {any} event
 */
function step(field, before, after, event) {
  const name = NAMES[field] || field.replaceAll("_", " ");
  if (field === "paused") return after.paused ? "sales paused" : "sales resumed";
  if (field === "description" || field === "venue_id") return `${name} changed`;
  const to = valueOf(field, after[field], event);
  return field in before ? `${name} ${valueOf(field, before[field], event)} → ${to}` : `${name} → ${to}`;
}

/**
 * What an edit changed: "capacity 300 → 320, price 20.00 → 25.00".
 * @param {any} row
 * @param {any} event
 */
function changed(row, event) {
  return row.changed_fields.filter((field) => field !== "status")
    .map((field) => step(field, row.previous, row.changes, event)).join(", ");
}

function sentence(row, event) {
  if (row.kind === "created") return `Created with ${count(row.available_seats, "seat")}`;
  if (row.kind === "published") return "Put on sale";
  if (row.kind === "cancelled") return "Cancelled";
  const what = changed(row, event) || "Saved without a change";
  return what.charAt(0).toUpperCase() + what.slice(1);
}

const by = (row) => row.caller_name || row.caller.replace(/^(internal|key|admin):/, "").replace(/^[0-9a-f-]{36}$/, "another admin");

/**
 * The rows as entries: an edit is one, and so are the moves between two edits.
 * @param {any[]} rows newest first
 */
function entries(rows) {
  /** @type {any[][]} */
  const found = [];
  for (const row of rows) {
    const last = found.at(-1);
    const joins = last && row.kind in MOVES && last[0].kind in MOVES && day(last[0].recorded_at) === day(row.recorded_at);
    if (joins) last.push(row);
    else found.push([row]);
  }
  return found;
}

/** @param {any[]} rows */
function moves(rows) {
  const told = Object.entries(MOVES).flatMap(([kind, name]) => {
    // Seats that were held, or kept back, are sold without a change of those that are free.
    const seats = rows.reduce((sum, row) => sum + (row.kind === kind ? Math.abs(row.quantity || row.held || row.held_back) : 0), 0);
    return seats ? `${number(seats)} ${name}` : [];
  });
  return `${told.join(", ") || "holds prolonged"}; ${number(rows[0].available_seats)} free after`;
}

/**
 * @param {any[]} rows newest first
 * @param {any} event
 */
export function history(rows, event) {
  return h("ol.history", entries(rows).map((group) => {
    const [newest, oldest] = [group[0], /** @type {any} */ (group.at(-1))];
    const moved = newest.kind in MOVES;
    const from = clock(oldest.recorded_at);
    const to = clock(newest.recorded_at);
    return h("li", { class: moved ? "moved" : `edit kind-${newest.kind}` },
      h("span.what", moved ? moves(group) : sentence(newest, event)),
      h("span.muted", `${[...new Set(group.map(by))].join(", ")} · `, h("time", { datetime: newest.recorded_at }, `${day(newest.recorded_at)}, ${from === to ? to : `${from}–${to}`}`)));
  }));
}

/**
 * What others changed since the admin last looked, for a conflict.
 * @param {any} before
 * @param {any} after
 */
export function differences(before, after) {
  const fields = ["name", "description", ...Object.keys(NAMES), "paused"];
  const found = fields.filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]));
  // Published and sold out change into each other by seats alone.
  const state = (event) => (event.status === "sold_out" ? "published" : event.status);
  if (state(before) !== state(after)) found.push("status");
  return found.map((field) => step(field, before, after, after));
}
