/**
 * Changes an event, and says what became of it.
 *
 * Rule: a change is based on what the admin saw. Seats that moved meanwhile are no conflict: the change is
 * sent again. What another admin changed is shown, and the admin decides.
 */

import * as api from "./api.js";
import { h } from "./dom.js";
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
  // The service sorts out itself what moved meanwhile, but for blocks, which take free seats.
  const resolves = "holdbacks" in changes ? {} : { on_conflict: "retry" };
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

/**
 * Ask in a dialog, and change the event by what was answered.
 * @param {any} event
 * @param {(after: any) => void} done
 * @param {string} title
 * @param {string} about
 * @param {import("./form.js").Field[]} fields
 * @param {{ action: string, danger?: boolean, changes: (values: Record<string, any>) => Record<string, any> }} how
 */
function ask(event, done, title, about, fields, how) {
  dialog(title, (close) => [h("p", about), form(fields, {
    ...how,
    submit: async (values) => {
      const after = await apply(event, how.changes(values));
      close();
      if (after) done(after);
    },
  })]);
}

export function cancel(event, done) {
  const { sold, held } = seatsOf(event);
  const out = sold ? `${count(sold, "ticket is", "tickets are")} sold and have to be refunded.` : "No ticket is sold.";
  ask(event, done, "Cancel this event?",
    `${out} ${held ? `${count(held, "seat is", "seats are")} held.` : ""} Sales stop at once, and this cannot be undone.`,
    [{ name: "typed", label: `Type the name of the event: ${event.name}`, more: { autocomplete: "off" } }], {
      action: "Cancel the event", danger: true,
      changes: ({ typed }) => {
        if (typed.trim() !== event.name.trim()) {
          throw new api.ApiError(400, { message: "", details: { fields: [{ field: "typed", message: "This is not its name" }] } });
        }
        return { status: "cancelled" };
      },
    });
}

/** Close the sales of an event that has begun, after which nothing of it can be changed. */
export function closeForGood(event, done) {
  ask(event, done, "Close sales for good?", "The event has begun. Once its sales are closed, they cannot be opened again, and nothing else of it can be changed.",
    [], { action: "Close sales", danger: true, changes: closing });
}

/** Sales that close now. By the service's clock: this one may be wrong. */
export const closing = () => ({ sales_end: new Date(api.now()).toISOString() });

/**
 * Change one number in place: the capacity or the price.
 * @param {any} event
 * @param {"total_capacity" | "base_price"} field
 * @param {(after: any) => void} done
 */
export function changeNumber(event, field, done) {
  const { sold, held, kept } = seatsOf(event);
  const capacity = field === "total_capacity";
  ask(event, done, capacity ? "Change the capacity" : "Change the price", capacity
    ? `Now ${number(event.total_capacity)}; not below the ${number(sold + held + kept)} that are not free, not above the venue's ${number(event.venue.capacity)}.`
    : `Now ${money(event.base_price, event.currency)}; what is sold keeps its price.`,
  [{ name: field, label: capacity ? "Seats" : "Price of a seat", value: event[field], more: { inputmode: "decimal" } }],
  { action: "Save", changes: (values) => ({ [field]: numeric(values[field]) }) });
}

/**
 * Seats kept back in blocks: one a line, "press 20".
 * @param {any} event
 * @param {(after: any) => void} done
 */
export function changeBlocks(event, done) {
  const text = event.holdbacks.map((one) => `${one.name} ${one.quantity}`).join("\n");
  const released = new Map(event.holdbacks.map((one) => [one.name, one.release_at]));
  ask(event, done, "Seats held back", "Held back seats are not sold to the public. One block a line: its name, then how many seats.",
    [{ name: "holdbacks", label: "Blocks", type: "textarea", value: text, optional: true, hint: "press 20" }], {
      action: "Save",
      changes: (values) => ({ holdbacks: values.holdbacks.split("\n").filter((line) => line.trim()).map((line) => {
        const [, name, quantity] = /^\s*(.*?)\s+(\S+)\s*$/.exec(line) || ["", line, ""];
        const at = released.get(name);
        return { name, quantity: numeric(quantity), ...(at ? { release_at: at } : {}) };
      }) }),
    });
}
