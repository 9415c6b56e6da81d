/** Venues: list, search, create, edit. */

import * as api from "./api.js";
import { announce, empty, h, heads, show } from "./dom.js";
import { dialog, form, numeric } from "./form.js";
import { here, number } from "./format.js";
import { pager, searchBox, turning } from "./lists.js";

const PAGE = 25;

/** @type {import("./app.js").View} */
export async function venues({ element, query, gone }) {
  const me = await api.get("me").catch(() => null);
  const list = h("div.results");
  const turn = turning("/venues", query, refresh);
  const add = () => h("button.primary", { onclick: () => venueDialog(null, () => { announce("Venue created"); refresh(); }) }, "New venue");

  const mine = (venue) => me && (venue.created_by === me.admin_id || me.permissions.includes("venues:any_owner"));

  async function refresh() {
    const at = String(query);
    const search = query.get("search");
    const found = await api.get("venues", { search, page: query.get("page"), limit: PAGE });
    if (gone.aborted || at !== String(query)) return;
    show(list, found.venues.length ? h("table.list.places",
      heads(["Venue", "City", "Seats", h("span.unseen", "Change")], [2]),
      h("tbody", found.venues.map((venue) => h("tr",
        h("td", h("span.name", venue.name), h("span.muted", venue.address)),
        h("td", `${venue.city}, ${venue.country}`),
        h("td.n", number(venue.capacity)),
        h("td.n", mine(venue) && h("button.link", { "aria-label": `Edit ${venue.name}`, onclick: () => venueDialog(venue, () => { announce("Saved"); refresh(); }) }, "Edit"))))))
      : search ? empty("No venue is called that", `Nothing has “${search}” in its name, address or city.`, add())
        : empty("No venues yet", "Events take place at venues: add the first.", add()),
    pager(found, PAGE, (to) => turn({ page: to > 1 && to })));
  }

  await refresh();
  show(element,
    h("div.head", h("h1", "Venues"), add()),
    h("div.tools", searchBox(query, "venues", "Name, address or city", turn)), list);
}

/**
 * @param {any} venue null for a new one
 * @param {(venue: any) => void} done
 * @param {string} [name] what a new one may be called
 */
export function venueDialog(venue, done, name = "") {
  const was = venue || { name, timezone: here };
  const keyOf = api.keys();
  dialog(venue ? "Edit venue" : "New venue", (close) => [form([
    { name: "name", label: "Name", value: was.name },
    { name: "address", label: "Address", value: was.address },
    { name: "city", label: "City", value: was.city, size: "half" },
    { name: "postal_code", label: "Postal code", value: was.postal_code, size: "half", optional: true },
    { name: "state", label: "State or region", value: was.state, size: "half", optional: true },
    { name: "country", label: "Country", value: was.country, size: "half" },
    { name: "capacity", label: "Seats", value: was.capacity, size: "half", more: { inputmode: "numeric" } },
    { name: "timezone", label: "Time zone", value: was.timezone, size: "half", optional: true, hint: "Such as Europe/Oslo", list: Intl.supportedValuesOf("timeZone") },
  ], {
    action: venue ? "Save" : "Create venue",
    submit: async (values) => {
      const sent = { ...values, capacity: numeric(String(values.capacity)) };
      const answer = venue ? await api.change("PUT", `venues/${venue.venue_id}`, sent) : await api.change("POST", "venues", sent, keyOf(sent));
      close();
      done(answer);
    },
  })]);
}
