/**
 * Changes an event, and says what became of it.
 *
 * Rule: a change is based on what the admin saw. Seats that moved meanwhile are no conflict: the change is
 * sent again. What another admin changed is shown, and the admin decides.
 */

import * as api from "./api.js";
import { announce, h } from "./dom.js";
import { dialog, doing, form, numeric } from "./form.js";
import { count, money, number } from "./format.js";
import { differences } from "./history.js";
import { seatsOf } from "./seats.js";

const TRIES = 8;

/**
 * Send `changes` of the event as the admin saw it; the event after it, or null if they changed their mind.
 * @param {any} seen
 * @param {Record<string, any>} changes
 * @returns {Promise<any>}
 */
export async function apply(seen, changes) {
  // Where the service can do it, it sorts out itself what moved meanwhile.
  const resolves = "paused" in seen && !("holdbacks" in changes) ? { on_conflict: "retry" } : {};
  let base = seen;
  for (let turn = 1; ; turn += 1) {
    try {
      return await api.change("PUT", `events/${seen.event_id}`, { version: base.version, ...resolves, ...changes });
    } catch (error) {
      if (!(error instanceof api.ApiError) || error.code !== "CONCURRENT_UPDATE") throw error;
      base = await api.get(`events/${seen.event_id}`);
      const told = differences(seen, base);
      if (told.length) return decide(base, told, changes);
      if (turn === TRIES) throw error;
    }
  }
}

/**
 * @param {any} now
 * @param {string[]} told
 * @param {Record<string, any>} changes
 * @returns {Promise<any>}
 */
function decide(now, told, changes) {
  return new Promise((resolve, reject) => {
    let answer = Promise.resolve(null);
    dialog("Changed meanwhile", (close) => [
      h("p", "Somebody changed this event after you opened it:"),
      h("ul", told.map((text) => h("li", text))),
      h("p", "Nothing of yours was saved yet."),
      h("div.actions",
        doing("Save mine on top", async () => { answer = apply(now, changes); close(); }, "primary"),
        doing("Leave it", async () => close())),
    ]);
    const open = [...document.querySelectorAll("dialog")].at(-1);
    open?.addEventListener("close", () => answer.then(resolve, reject));
  });
}

export function cancel(event, done) {
  const { sold, held } = seatsOf(event);
  const out = sold ? `${count(sold, "ticket is", "tickets are")} sold and have to be refunded.` : "No ticket is sold.";
  dialog("Cancel this event?", (close) => [
    h("p", `${out} ${held ? `${count(held, "seat is", "seats are")} held.` : ""} Sales stop at once, and this cannot be undone.`),
    form([{ name: "typed", label: `Type the name of the event: ${event.name}`, more: { autocomplete: "off" } }], {
      action: "Cancel the event", danger: true,
      submit: async ({ typed }) => {
        if (typed.trim() !== event.name.trim()) {
          throw new api.ApiError(400, { message: "", details: { fields: [{ field: "typed", message: "This is not its name" }] } });
        }
        const after = await apply(event, { status: "cancelled" });
        close();
        if (after) done(after);
      },
    }),
  ]);
}

/**
 * Change one number in place: the capacity or the price.
 * @param {any} event
 * @param {"total_capacity" | "base_price"} field
 * @param {(after: any) => void} done
 */
export function changeNumber(event, field, done) {
  const { sold } = seatsOf(event);
  const capacity = field === "total_capacity";
  const hint = capacity
    ? `Now ${number(event.total_capacity)}; not below the ${number(sold)} sold, not above the venue's ${number(event.venue.capacity)}`
    : `Now ${money(event.base_price, event.currency)}; what is sold keeps its price`;
  dialog(capacity ? "Change the capacity" : "Change the price", (close) => [
    form([{ name: field, label: capacity ? "Seats" : "Price of a seat", value: event[field], hint, more: { inputmode: "decimal" } }], {
      action: "Save",
      submit: async (values) => {
        const after = await apply(event, { [field]: numeric(values[field]) });
        close();
        if (after) {
          announce("Saved");
          done(after);
        }
      },
    }),
  ]);
}

/**
 * Seats kept back in blocks: one a line, "press 20".
 * @param {any} event
 * @param {(after: any) => void} done
 */
export function changeBlocks(event, done) {
  const text = event.holdbacks.map((one) => `${one.name} ${one.quantity}`).join("\n");
  const released = new Map(event.holdbacks.map((one) => [one.name, one.release_at]));
  dialog("Seats held back", (close) => [
    h("p.muted", "Held back seats are not sold to the public. One block a line: its name, then how many seats."),
    form([{ name: "holdbacks", label: "Blocks", type: "textarea", value: text, optional: true, hint: "press 20" }], {
      action: "Save",
      submit: async (values) => {
        const blocks = values.holdbacks.split("\n").filter((line) => line.trim()).map((line) => {
          const [, name, quantity] = /^\s*(.*?)\s+(\S+)\s*$/.exec(line) || ["", line, ""];
          const at = released.get(name);
          return { name, quantity: numeric(quantity), ...(at ? { release_at: at } : {}) };
        });
        const after = await apply(event, { holdbacks: blocks });
        close();
        if (after) done(after);
      },
    }),
  ]);
}
