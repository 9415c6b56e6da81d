/** Finds a venue by typing, or makes a new one in place. A combobox by the pattern of ARIA. */

import * as api from "./api.js";
import { afterPause, h, say, show } from "./dom.js";
import { number } from "./format.js";
import { venueDialog } from "./venues.js";

const SHOWN = 8;

/**
 * @param {string} id
 * @param {any} [chosen] a venue
 * @param {(venue: any) => void} [tell]
 */
export function venuePicker(id, chosen, tell = () => {}) {
  let venue = chosen;
  let at = -1;
  /** @type {any[]} */
  let found = [];
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": "Venues", hidden: true });
  const input = h("input", {
    id, type: "text", role: "combobox", autocomplete: "off", value: chosen ? nameOf(chosen) : "", placeholder: "Type to search",
    "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list", "aria-describedby": `${id}-chosen`,
    oninput: () => { venue = null; searchSoon(); }, onfocus: () => search(), onblur: () => setTimeout(close, 150),
    onkeydown: (event) => key(event),
  });
  const about = h("p.hint", { id: `${id}-chosen` });

  // Whoever has chosen before the list is there wants it no more.
  const searchSoon = afterPause(() => venue || search());

  async function search() {
    const before = venue;
    const there = await api.get("venues", { search: before ? "" : input.value, limit: SHOWN });
    if (venue !== before) return;
    found = there.venues;
    at = -1;
    draw();
  }

  function draw() {
    const rows = found.map((one, index) => option(`${id}-${index}`, [h("strong", one.name), ` ${one.city} · ${number(one.capacity)} seats`], () => choose(one)));
    rows.push(option(`${id}-${found.length}`, ["New venue …"], create));
    rows.forEach((row, index) => row.setAttribute("aria-selected", String(index === at)));
    show(list, rows);
    list.hidden = document.activeElement !== input;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (at >= 0) input.setAttribute("aria-activedescendant", `${id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
  }

  /** @param {string} key @param {any[]} children @param {() => void} pick */
  const option = (key, children, pick) =>
    h("li", { id: key, role: "option", onmousedown: (event) => { event.preventDefault(); pick(); } }, children);

  /** @param {KeyboardEvent} event */
  function key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      // Up from nothing is the last one, which is a new venue.
      at = at < 0 && step < 0 ? found.length : (at + step + found.length + 1) % (found.length + 1);
      draw();
    } else if (event.key === "Enter" && !list.hidden && at >= 0) {
      event.preventDefault();
      at < found.length ? choose(found[at]) : create();
    } else if (event.key === "Escape") close();
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  }

  function choose(one) {
    venue = one;
    input.value = nameOf(one);
    describe();
    tell(one);
    close();
  }

  function create() {
    close();
    venueDialog(null, (made) => { choose(made); input.focus(); close(); }, venue ? "" : input.value);
  }

  const describe = () => say(about, `${venue.address}, ${venue.city} · ${number(venue.capacity)} seats`);
  if (chosen) describe();
  const element = /** @type {any} */ (h("div.picker", input, list, about));
  Object.defineProperty(element, "value", { get: () => venue?.venue_id || "" });
  element.focus = () => input.focus();
  return element;
}

const nameOf = (venue) => `${venue.name}, ${venue.city}`;
