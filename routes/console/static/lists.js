/** What lists share: their place in the address, the box to search them, and their pages. */

import { afterPause, announce, h } from "./dom.js";
import { number } from "./format.js";

/**
 * Shows a list otherwise: `query` is changed, the address follows, and the page stays as it is but for the list.
 * @param {string} path
 * @param {URLSearchParams} query
 * @param {() => Promise<void>} refresh
 */
export const turning = (path, query, refresh) =>
  /** @param {Record<string, any>} changes @param {boolean} [typed] whether going back leads past it */
  (changes, typed) => {
    for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
    history[typed ? "replaceState" : "pushState"](null, "", `#${path}${query.size ? `?${query}` : ""}`);
    refresh().catch((error) => announce(error.message));
  };

/**
 * Searches a list while one types.
 * @param {URLSearchParams} query
 * @param {string} what
 * @param {string} placeholder
 * @param {ReturnType<typeof turning>} turn
 */
export function searchBox(query, what, placeholder, turn) {
  const box = h("input", { type: "search", value: query.get("search") || "", placeholder, "aria-label": `Search ${what}`,
    oninput: afterPause(() => turn({ search: box.value, page: "" }, true)) });
  return box;
}

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
