/**
 * Numbers and times as the reader is used to them; times of an event in its own zone, which is named.
 */

import { now } from "./api.js";

const locale = navigator.languages?.[0];
const whole = new Intl.NumberFormat(locale);
export const here = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const MINUTE = 60_000;

/** @param {number} n */
export const number = (n) => whole.format(n);

/**
 * "1 seat", "2 seats".
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export function percent(part, of) {
  if (!of) return "0%";
  // 100 only if all is sold, 0 only if nothing is.
  const value = Math.min(Math.max((100 * part) / of, part ? 0.1 : 0), part < of ? 99.9 : 100);
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(value)}%`;
}

/**
 * @param {number} amount
 * @param {string} [currency]
 */
export function money(amount, currency) {
  /** @type {Intl.NumberFormatOptions} */
  const style = currency ? { style: "currency", currency } : { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  return new Intl.NumberFormat(locale, style).format(amount);
}

/**
 * The zone that an event's times are told in.
 * @param {any} event
 * @returns {string}
 */
export const zoneOf = (event) => event?.timezone || here;

/**
 * @param {string} iso
 * @param {Intl.DateTimeFormatOptions} how
 * @param {string} [zone]
 */
const told = (iso, how, zone = here) =>
  new Intl.DateTimeFormat(locale, { ...how, timeZone: zone }).format(new Date(iso));

/** @type {(iso: string, zone?: string) => string} */
export const day = (iso, zone) => told(iso, { weekday: "short", day: "numeric", month: "short", year: "numeric" }, zone);
/** @type {(iso: string, zone?: string) => string} */
export const dayAndMonth = (iso, zone) => told(iso, { day: "numeric", month: "short" }, zone);
/** @type {(iso: string, zone?: string) => string} */
export const clock = (iso, zone) => told(iso, { hour: "numeric", minute: "2-digit" }, zone);
/** @type {(iso: string, zone?: string) => string} */
export const moment = (iso, zone) => `${day(iso, zone)}, ${clock(iso, zone)}`;

/**
 * "Fri, 6 Nov 2026, 20:00–23:00", or both days.
 * @param {string} start
 * @param {string} end
 * @param {string} zone
 */
export function span(start, end, zone) {
  const same = day(start, zone) === day(end, zone);
  return `${moment(start, zone)} – ${same ? clock(end, zone) : moment(end, zone)}`;
}

/**
 * "in 3 days", "2 hours ago".
 * @param {string} iso
 * @param {number} [at]
 */
export function fromNow(iso, at = now()) {
  const minutes = Math.round((Date.parse(iso) - at) / MINUTE);
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const size = Math.abs(minutes);
  if (size < 90) return relative.format(minutes, "minute");
  if (size < 48 * 60) return relative.format(Math.round(minutes / 60), "hour");
  return relative.format(Math.round(minutes / 1440), "day");
}

/**
 * What clocks in `zone` show at an instant, as an input of the type datetime-local takes it.
 * @param {string} iso
 * @param {string} zone
 */
export const toLocal = (iso, zone) =>
  // Swedes write it as ISO 8601 does, but for the sign between.
  new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(new Date(iso)).replace(" ", "T").padStart(16, "0");

/**
 * The instant at which clocks in `zone` show `local`. In the hour that a change of clocks leaves out, the
 * one after it.
 * @param {string} local
 * @param {string} zone
 */
export function fromLocal(local, zone) {
  const wanted = Date.parse(`${local}Z`);
  if (Number.isNaN(wanted)) return local;
  let at = wanted;
  for (let turn = 0; turn < 2; turn += 1) {
    at += wanted - Date.parse(`${toLocal(new Date(at).toISOString(), zone)}Z`);
  }
  return new Date(at).toISOString();
}
