/**
 * Changes an event, and says what became of it.
 *
 * Rule: a change is based on what the admin saw. Seats that moved meanwhile are no conflict: the change is
 * sent again. What another admin changed is shown, and the admin decides.
 */

import * as api from "./api.js";
import { h } from "./dom.js";
import { dialog, doing, form, numeric } from "./form.js";
import { count, fromLocal, money, number, toLocal, zoneOf } from "./format.js";
import { differences } from "./history.js";
import { seatsOf } from "./seats.js";

const TRIES = 8;
/** As many as the service keeps. */
const BLOCKS_MAX = 20;

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

const PARTS = [["name", "Block", "text"], ["quantity", "Seats", "text"], ["release_at", "Free again", "datetime-local"]];

/**
 * The fields of a form for blocks, three to a line. `read` is what the lines say, but for those that are
 * empty; `placed` has what is wrong with one of these blocks at its line.
 * @param {any[]} blocks
 * @param {string} zone that of their times
 */
export function blockLines(blocks, zone) {
  /** @type {number[]} */
  let rows = [];
  /** @type {import("./form.js").Field[]} */
  const fields = blocks.flatMap((one, row) => PARTS.map(([name, label, type], at) => ({
    name: `holdbacks[${row}].${name}`, label, value: at > 1 && one[name] ? toLocal(one[name], zone) : one[name], optional: true, type,
    size: `part part-${at}${row ? " again" : ""}`,
  })));
  return {
    fields,
    /** @param {Record<string, any>} values @param {string} zone */
    read(values, zone) {
      rows = [];
      return blocks.flatMap((_, row) => {
        const [name, seats, at] = PARTS.map(([part]) => values[`holdbacks[${row}].${part}`].trim());
        const quantity = numeric(seats);
        if (!name && !quantity) return [];
        rows.push(row);
        return { name, quantity, release_at: at ? fromLocal(at, zone) : null };
      });
    },
    /** @template T @param {Promise<T>} work @returns {Promise<T>} */
    placed: (work) => work.catch((error) => {
      // The service counts the blocks, and the form its lines.
      if (error instanceof api.ApiError) {
        error.fields = Object.fromEntries(Object.entries(error.fields).map(([name, text]) =>
          [name.replace(/\[(\d+)\]/, (_, at) => `[${rows[at]}]`), text]));
      }
      throw error;
    }),
  };
}

/**
 * Seats that are kept back, a line for each block; a line that is emptied goes.
 * @param {any} event
 * @param {(after: any) => void} done
 * @param {any[]} [blocks] what was typed, where there is to be another one
 */
export function changeBlocks(event, done, blocks = event.holdbacks) {
  const zone = zoneOf(event);
  const typed = [...blocks, {}].slice(0, BLOCKS_MAX);
  const lines = blockLines(typed, zone);
  lines.fields[PARTS.length * (typed.length - 1)].more = { autofocus: true };
  dialog("Seats held back", (close) => {
    const element = form(lines.fields, {
      action: "Save",
      submit: async (values) => {
        const after = await lines.placed(apply(event, { holdbacks: lines.read(values, zone) }));
        close();
        if (after) done(after);
      },
      secondary: typed.length < BLOCKS_MAX && h("button.quiet", { onclick: () => {
        const data = Object.fromEntries(new FormData(element));
        close();
        changeBlocks(event, done, lines.read(data, zone));
      } }, "Another block"),
    });
    return [h("p.muted", `Seats in a block are not sold to the public until they are free again, if ever. Times are in ${zone}.`), element];
  });
}
