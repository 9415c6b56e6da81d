/**
 * Makes elements. Text is always a text node, so that nothing an organiser typed is ever markup.
 */

/** @typedef {any} Child a node or text; of what is null or false nothing is shown */

/**
 * @param {any} element
 * @param {any[]} given properties, if the first is a plain object, and children
 */
function fill(element, [props, ...children]) {
  const plain = props?.constructor === Object;
  // The value of a select is chosen among its options, so they come first.
  add(element, plain ? children : [props, ...children]);
  for (const [name, value] of Object.entries(plain ? props : {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/**
 * An HTML element: its name and classes ("p.muted"), perhaps its properties, its children. Of properties,
 * `on...` are listeners; false and null leave an attribute out.
 * @param {string} what
 * @param {...any} given
 * @returns {any}
 */
export function h(what, ...given) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  if (tag === "button") element.setAttribute("type", "button");
  return fill(element, given);
}

/**
 * An SVG element, likewise, with its class among the properties.
 * @param {string} tag
 * @param {...any} given
 * @returns {any}
 */
export const svg = (tag, ...given) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), given);

/**
 * @param {Element | DocumentFragment} parent
 * @param {Child[]} children
 */
function add(parent, children) {
  for (const child of children) {
    if (child == null || child === false) continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/** What one can come to by keyboard. @param {Element} parent @returns {HTMLElement[]} */
const stops = (parent) => [.../** @type {any} */ (parent).querySelectorAll("a, button, select, summary")];
const nameOf = (one) => one.name || one.getAttribute("href") || one.getAttribute("aria-label") || one.textContent;

/**
 * Show `children` in `parent` and nothing else. Whoever was on something there is on it again, or on what
 * has taken its place, and what was unfolded stays so.
 * @param {Element} parent
 * @param {...Child} children
 */
export function show(parent, ...children) {
  const before = stops(parent);
  const at = before.findIndex((one) => one === document.activeElement);
  const open = [...parent.querySelectorAll("details")].map((one) => one.open);
  const fragment = document.createDocumentFragment();
  add(fragment, children);
  parent.replaceChildren(fragment);
  parent.querySelectorAll("details").forEach((one, index) => { one.open = open[index]; });
  if (at < 0) return;
  const now = stops(parent);
  (now.find((one) => nameOf(one) === nameOf(before[at])) || now[at])?.focus({ preventScroll: true });
}

/** Name the page. @param {string} text */
export function title(text) {
  document.title = `${text} · Evently`;
}

/**
 * Set a text if it is another one, so that a screen reader and a selection are left in peace.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Say what was done, to eyes and to screen readers.
 * @param {string} text
 */
export function announce(text) {
  const place = document.getElementById("said");
  if (!place) return;
  const note = h("p.toast", text);
  place.replaceChildren(note);
  setTimeout(() => note.remove(), 6000);
}

/**
 * Do `work` while the button is busy; a second click does nothing.
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void>} work
 */
export async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/**
 * Call `then` once nothing has been typed for a moment.
 * @param {(...args: any[]) => void} then
 * @param {number} [pauseMs]
 */
export function afterPause(then, pauseMs = 250) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...args), pauseMs);
  };
}

/**
 * What is shown while something is read.
 * @param {string} what
 */
export const loading = (what) => h("p.loading", { role: "status" }, `Loading ${what} …`);

/**
 * What is shown where there is nothing: why, and what to do next.
 * @param {string} title
 * @param {string} next
 * @param {...Child} actions
 */
export const empty = (title, next, ...actions) =>
  h("div.empty", h("h2", title), h("p", next), h("div.actions", actions));

/**
 * A panel with a heading.
 * @param {string} title
 * @param {...Child} children
 * @returns {any}
 */
export const panel = (title, ...children) => h("section.panel", h("h2", title), children);

/**
 * The head of a table; the columns `right` are numbers.
 * @param {Child[]} names
 * @param {number[]} [right]
 * @returns {any}
 */
export const heads = (names, right = []) =>
  h("thead", h("tr", names.map((name, at) => h(right.includes(at) ? "th.n" : "th", { scope: "col" }, name))));

/**
 * The way back.
 * @param {string} place
 * @param {string} name
 */
export const crumb = (place, name) => h("p.crumb", h("a", { href: `#${place}` }, name));
