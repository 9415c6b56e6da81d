/**
 * What is known of an event's seats and state, in the words of an organiser. Nothing here touches the page.
 */

import { count, fromNow } from "./format.js";

/** @typedef {{ sold: number, held: number, kept: number, free: number }} Seats */

const DAY = 86_400_000;

/**
 * The four numbers, which add up to the capacity. Holds and seats kept back are told where the service has them.
 * @param {any} event
 * @returns {Seats}
 */
export function seatsOf(event) {
  const held = event.held_seats ?? event.held ?? 0;
  const kept = event.held_back_seats ?? event.held_back ?? 0;
  const free = event.available_seats;
  return { sold: event.total_capacity - free - held - kept, held, kept, free };
}

/**
 * The status as an organiser says it.
 * @param {any} event
 * @param {number} [now]
 * @returns {{ kind: string, text: string }}
 */
export function stateOf(event, now = Date.now()) {
  if (event.status === "cancelled") return { kind: "off", text: "Cancelled" };
  if (event.status === "draft") return { kind: "draft", text: "Draft" };
  if (event.status === "completed") return { kind: "past", text: "Completed" };
  if (event.paused) return { kind: "warn", text: "Paused" };
  if (event.sales_start && Date.parse(event.sales_start) > now) return { kind: "draft", text: `Opens ${fromNow(event.sales_start, now)}` };
  const closes = Date.parse(event.sales_end || event.start_datetime);
  if (closes <= now) return { kind: "past", text: Date.parse(event.start_datetime) <= now ? "On now" : "Sales closed" };
  return event.status === "sold_out" ? { kind: "full", text: "Sold out" } : { kind: "live", text: "On sale" };
}

/**
 * Whether seats can be sold or the event be changed now.
 * @param {any} event
 * @param {number} [now]
 */
export function changeable(event, now = Date.now()) {
  if (event.status === "draft") return true;
  const until = Math.max(Date.parse(event.start_datetime), Date.parse(event.sales_end || event.start_datetime));
  return (event.status === "published" || event.status === "sold_out") && until > now;
}

/**
 * Why an event wants to be looked at, if it does.
 * @param {any} event
 * @param {number} [now]
 * @returns {{ kind: string, text: string } | null}
 */
export function attentionFor(event, now = Date.now()) {
  const starts = Date.parse(event.start_datetime);
  const { free, kept } = seatsOf(event);
  if (event.status === "draft") {
    if (starts <= now) return { kind: "warn", text: "Still a draft, and its start has passed" };
    return starts - now <= DAY ? { kind: "warn", text: `Starts ${fromNow(event.start_datetime, now)}, and is still a draft` } : null;
  }
  if (event.status !== "published" && event.status !== "sold_out") return null;
  const opens = event.sales_start ? Date.parse(event.sales_start) : 0;
  if (opens > now) return opens - now <= DAY ? { kind: "live", text: `Sales open ${fromNow(event.sales_start, now)}` } : null;
  if (event.paused) return { kind: "warn", text: "Sales are paused" };
  if (event.status === "sold_out" && kept) return { kind: "full", text: `Sold out, with ${count(kept, "seat")} held back` };
  const closes = Date.parse(event.sales_end || event.start_datetime);
  if (closes <= now && free) return { kind: "past", text: `Sales have closed with ${count(free, "seat")} left` };
  if (free && free <= Math.max(10, Math.floor(event.total_capacity / 20))) return { kind: "warn", text: `Only ${count(free, "seat")} left` };
  if (starts > now && starts - now <= DAY) return { kind: "live", text: `Starts ${fromNow(event.start_datetime, now)}` };
  return null;
}
