/**
 * Shows the page that the address names, behind sign-in.
 *
 * Theory of operation. The place is the part of the address after `#`, so that reloading and the back
 * button keep it. Each place has a view: a function that fills an element and may return how to leave it.
 */

import * as api from "./api.js";
import { empty, h, loading, show, title } from "./dom.js";
import { account } from "./account.js";
import { eventPage } from "./event.js";
import { editEvent, newEvent } from "./edit.js";
import { events } from "./events.js";
import { signIn } from "./signin.js";
import { venues } from "./venues.js";

/** @typedef {{ element: HTMLElement, id: string, query: URLSearchParams, gone: AbortSignal }} Place */
/** @typedef {(place: Place) => void | Promise<void>} View */

/** @type {[RegExp, View, string][]} */
const VIEWS = [
  [/^\/events\/new$/, newEvent, "New event"],
  [/^\/events\/([0-9a-f-]{36})\/edit$/, editEvent, "Edit event"],
  [/^\/events\/([0-9a-f-]{36})$/, eventPage, "Event"],
  [/^\/events$/, events, "Events"],
  [/^\/venues$/, venues, "Venues"],
  [/^\/account$/, account, "Account"],
];
const NAVIGATION = [["/events", "Events"], ["/venues", "Venues"], ["/account", "Account"]];

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const main = h("main", { id: "main", tabindex: "-1" });
const links = NAVIGATION.map(([path, name]) => h("a", { href: `#${path}` }, name));
const frame = [
  h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
  h("header.top",
    h("a.brand", { href: "#/events" }, h("span.mark", { "aria-hidden": "true" }), "Evently"),
    h("nav", { "aria-label": "Console" }, links),
    h("div.right", h("a.quiet", { href: "docs" }, "API"),
      h("button.quiet", { onclick: () => api.signOut() }, "Sign out"))),
  main,
];
let leaving = new AbortController();
let ended = false;

async function go() {
  leaving.abort();
  leaving = new AbortController();
  document.querySelectorAll("dialog").forEach((one) => one.remove());
  if (!api.signedIn()) {
    title("Sign in");
    show(root, h("main", { id: "main" }, signIn(go, ended)), said);
    root.querySelector("input")?.focus();
    return;
  }
  ended = false;
  if (!main.isConnected) show(root, frame, said);
  const [path, query] = (location.hash.slice(1) || "/events").split("?");
  const found = VIEWS.find(([pattern]) => pattern.test(path));
  links.forEach((link, at) => {
    link.setAttribute("aria-current", path.startsWith(NAVIGATION[at][0]) ? "page" : "false");
  });
  const element = h("div.view");
  if (!found) return show(main, empty("There is nothing here", "The address may be old.", back()));
  const [pattern, view, name] = found;
  title(name);
  const gone = leaving.signal;
  show(element, loading(name.toLowerCase()));
  show(main, element);
  try {
    await view({ element, id: pattern.exec(path)?.[1] || "", query: new URLSearchParams(query), gone });
  } catch (error) {
    if (gone.aborted) return;
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status !== 401) show(element, failure(error));
  }
}

/** @param {api.ApiError} error */
function failure(error) {
  if (error.status === 404 || error.status === 403) return empty(error.status === 404 ? "Not found" : "Not yours", error.message, back());
  return empty("This did not work", error.message, h("button.primary", { onclick: go }, "Try again"));
}

const back = () => h("a.button", { href: "#/events" }, "My events");
const said = h("div", { id: "said", role: "status", "aria-live": "polite" });

addEventListener("hashchange", () => {
  go();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
addEventListener("signedout", (event) => {
  ended = /** @type {CustomEvent} */ (event).detail.ended;
  go();
});
go();
