/**
 * What is known of an event's seats and state, in the words of an organiser. Nothing here touches the page.
 */

import { now } from "./api.js";
import { count, fromNow } from "./format.js";

/** @typedef {{ sold: number, held: number, kept: number, free: number }} Seats */

const DAY = 86_400_000;

/**
 * The four numbers, which add up to the capacity.
 * @param {any} event
 * @returns {Seats}
 */
export function seatsOf(event) {
  const held = event.held_seats;
  const kept = event.held_back_seats;
  const free = event.available_seats;
  return { sold: event.total_capacity - free - held - kept, held, kept, free };
}

/** When sales close. @param {any} event */
const closesAt = (event) => Date.parse(event.sales_end || event.start_datetime);

/**
 * The status as an organiser says it.
 * @param {any} event
 * @param {number} [at]
 * @returns {{ kind: string, text: string }}
 */
export function stateOf(event, at = now()) {
  if (event.status === "cancelled") return { kind: "off", text: "Cancelled" };
  if (event.status === "draft") return { kind: "draft", text: "Draft" };
  if (event.status === "completed") return { kind: "past", text: "Completed" };
  if (event.level === "paused") return { kind: "warn", text: "Paused" };
  if (event.sales_start && Date.parse(event.sales_start) > at) return { kind: "draft", text: `Opens ${fromNow(event.sales_start, at)}` };
  const closes = closesAt(event);
  if (closes <= at) return { kind: "past", text: Date.parse(event.start_datetime) <= at ? "On now" : "Sales closed" };
  return event.status === "sold_out" ? { kind: "full", text: "Sold out" } : { kind: "live", text: "On sale" };
}

/**
 * Whether seats can be sold or the event be changed now.
 * @param {any} event
 * @param {number} [at]
 */
export function changeable(event, at = now()) {
  if (event.status === "draft") return true;
  const until = Math.max(Date.parse(event.start_datetime), closesAt(event));
  return (event.status === "published" || event.status === "sold_out") && until > at;
}

/**
 * Why an event wants to be looked at, if it does.
 * @param {any} event
 * @param {number} [at]
 * @returns {{ kind: string, text: string } | null}
 */
export function attentionFor(event, at = now()) {
  const starts = Date.parse(event.start_datetime);
  const { free, kept } = seatsOf(event);
  if (event.status === "draft") {
    if (starts <= at) return { kind: "warn", text: "Still a draft, and its start has passed" };
    return starts - at <= DAY ? { kind: "warn", text: `Starts ${fromNow(event.start_datetime, at)}, and is still a draft` } : null;
  }
  if (event.status !== "published" && event.status !== "sold_out") return null;
  const opens = event.sales_start ? Date.parse(event.sales_start) : 0;
  if (opens > at) return opens - at <= DAY ? { kind: "live", text: `Sales open ${fromNow(event.sales_start, at)}` } : null;
  if (event.level === "paused") return { kind: "warn", text: "Sales are paused" };
  if (event.status === "sold_out" && kept) return { kind: "full", text: `Sold out, with ${count(kept, "seat")} held back` };
  const closes = closesAt(event);
  if (closes <= at && free) return { kind: "past", text: `Sales have closed with ${count(free, "seat")} left` };
  if (free && free <= Math.max(10, Math.floor(event.total_capacity / 20))) return { kind: "warn", text: `Only ${count(free, "seat")} left` };
  if (starts > at && starts - at <= DAY) return { kind: "live", text: `Starts ${fromNow(event.start_datetime, at)}` };
  return null;
}
