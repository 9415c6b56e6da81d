/** What lists share: their place in the address, the box to search them, and their pages. */

import { afterPause, announce, h } from "./dom.js";
import { number } from "./format.js";

/**
 * The address of a list with other parameters; those that are empty are left out.
 * @param {string} path
 * @param {URLSearchParams} query
 * @param {Record<string, any>} changes
 */
export function address(path, query, changes) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
  return `#${path}${next.size ? `?${next}` : ""}`;
}

/**
 * Searches a list while one types. The address follows, and the page stays as it is but for the list.
 * @param {string} path
 * @param {URLSearchParams} query is changed
 * @param {string} what
 * @param {string} placeholder
 * @param {() => Promise<void>} refresh
 */
export function searchBox(path, query, what, placeholder, refresh) {
  const box = h("input", { type: "search", value: query.get("search") || "", placeholder, "aria-label": `Search ${what}`,
    oninput: afterPause(() => {
      box.value ? query.set("search", box.value) : query.delete("search");
      query.delete("page");
      history.replaceState(null, "", address(path, query, {}));
      refresh().catch((error) => announce(error.message));
    }) });
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
