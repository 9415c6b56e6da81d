/** Leads through the pages of a list. */

import { h } from "./dom.js";
import { number } from "./format.js";

/**
 * @param {{ total: number, page: number }} found
 * @param {number} limit
 * @param {(page: number) => void} go
 */
export function pager(found, limit, go) {
  const last = Math.max(1, Math.ceil(found.total / limit));
  if (last === 1 && found.page === 1) return null;
  const from = (found.page - 1) * limit + 1;
  const to = Math.min(found.total, found.page * limit);
  const step = (name, page) =>
    h("button", { disabled: page < 1 || page > last, onclick: () => go(page) }, name);
  return h("nav.pager", { "aria-label": "Pages" },
    step("Previous", found.page - 1),
    h("span.muted", `${number(Math.min(from, to))}–${number(to)} of ${number(found.total)}`),
    step("Next", found.page + 1));
}
