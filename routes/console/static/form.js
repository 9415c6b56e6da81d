/**
 * Forms and dialogs: labels, errors at their fields, one submission at a time.
 */

import { ApiError } from "./api.js";
import { announce, busy, h, say, show } from "./dom.js";

/**
 * One input. `name` is the field's name in the API, so that its errors find it.
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {any} [hint] a text, or what is shown as one
 * @property {string} [type]
 * @property {any} [value]
 * @property {HTMLElement & { value: any }} [control] made elsewhere; it has the id `f-` and the name
 * @property {Record<string, any>} [more] attributes of the input
 * @property {string[]} [list] what the browser suggests while one types
 * @property {boolean} [optional]
 * @property {string} [size] the class of one that shares its line with others
 */

let made = 0;

/** @param {Field} field @param {string} id */
function control(field, id) {
  if (field.control) return field.control;
  const shared = { id, name: field.name, required: !field.optional, "aria-describedby": `${id}-hint ${id}-error`, list: field.list && `${id}-list`, ...field.more };
  if (field.type === "textarea") return h("textarea", { rows: 4, value: field.value ?? "", ...shared });
  return h("input", { type: field.type || "text", value: field.value ?? "", ...shared });
}

/**
 * A message of the service in the words of the page: it names fields as the API does.
 * @param {string} message about `field`
 * @param {Field} field
 * @param {Field[]} fields
 */
function inWords(message, field, fields) {
  const plain = message.replace("a JSON integer", "a whole number").replace("a JSON", "a");
  // Of the others only those whose names are no words.
  return [field, ...fields.filter((one) => one.name.includes("_"))].reduce((text, one) => {
    const name = new RegExp(`\\b${one.name.replace(/.*\./, "")}\\b`);
    return text.replace(name, one === field ? one.label : `“${one.label}”`);
  }, plain);
}

/**
 * A form. `submit` gets the values by name; what it throws is shown where it belongs.
 * @param {Field[]} fields
 * @param {{ submit: (values: Record<string, any>) => Promise<void>, action: string, danger?: boolean, more?: (Node | false | null)[], secondary?: Node | null }} how
 */
export function form(fields, how) {
  made += 1;
  const controls = fields.map((field) => control(field, `f${made}-${field.name}`));
  const errors = fields.map((field) => h("p.error", { id: `f${made}-${field.name}-error` }));
  const summary = h("div.summary", { role: "alert" });
  const button = h(how.danger ? "button.danger" : "button.primary", { type: "submit" }, how.action);
  const rows = fields.map((field, at) => h("div", { class: `field ${field.size || ""}` },
    h("label", { for: field.control ? `f-${field.name}` : controls[at].id }, field.label, field.optional && h("span.optional", " optional")),
    controls[at],
    field.list && h("datalist", { id: `f${made}-${field.name}-list` }, field.list.map((value) => h("option", { value }))),
    h("p.hint", { id: `f${made}-${field.name}-hint` }, field.hint || ""),
    errors[at]));

  /** @param {unknown} error */
  function blame(error) {
    const told = error instanceof ApiError ? error : new ApiError(0, { message: String(error) });
    /** @type {any} */
    let first = null;
    const elsewhere = { ...told.fields };
    fields.forEach((field, at) => {
      const message = told.fields[field.name] || "";
      say(errors[at], inWords(message, field, fields));
      if (message) controls[at].setAttribute("aria-invalid", "true");
      if (message) first ||= controls[at];
      delete elsewhere[field.name];
    });
    const rest = Object.values(elsewhere);
    const wait = told.retryAfterS && told.status === 429 ? ` Try again in ${told.retryAfterS} s.` : "";
    show(summary, rest.length ? rest.map((text) => h("p", inWords(text, { name: "holdbacks", label: "Blocks" }, fields))) : !first && h("p", told.message + wait));
    first?.focus();
    if (!(error instanceof ApiError)) throw error;
  }

  return h("form.form", { novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    busy(button, async () => {
      errors.forEach((place) => say(place, ""));
      controls.forEach((one) => one.removeAttribute("aria-invalid"));
      show(summary);
      const values = Object.fromEntries(fields.map((field, at) => [field.name, /** @type {any} */ (controls[at]).value]));
      const wrong = fields.flatMap((field, at) => {
        // Half a date has no value, and is not the same as none.
        const what = controls[at].validity?.badInput ? "not complete" : !field.optional && !String(values[field.name]).trim() && "required";
        return what ? [{ field: field.name, message: `${field.label} is ${what}` }] : [];
      });
      try {
        if (wrong.length) throw new ApiError(400, { message: "", details: { fields: wrong } });
        await how.submit(values);
      } catch (error) {
        blame(error);
      }
    });
  } }, rows, how.more || null, summary, h("div.actions", button, how.secondary || null));
}

/**
 * A dialog over the page; Escape and the button close it, and focus returns to where it was.
 * @param {string} title
 * @param {(close: () => void) => (Node | string | null | false)[]} content
 */
export function dialog(title, content) {
  const element = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => element.remove() });
  const close = () => element.close();
  show(element, h("div.dialog-head", h("h2", { id: "dialog-title" }, title),
    h("button.quiet", { "aria-label": "Close", onclick: close }, "✕")), content(close));
  document.body.append(element);
  element.showModal();
  const first = /** @type {HTMLElement | null} */ (element.querySelector("[autofocus]") || element.querySelector("input, textarea, select, form button"));
  first?.focus();
}

/**
 * Something a click does at once; a failure is said.
 * @param {string} label
 * @param {() => Promise<void>} work
 * @param {string} [kind]
 * @param {string} [name] of what takes its place afterwards, too
 */
export function doing(label, work, kind = "", name) {
  const button = h("button", { class: kind, name, onclick: () => busy(button, async () => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      announce(error.message);
    }
  }) }, label);
  return button;
}

/** @param {string} text a number as it was typed; what is none goes to the service, which says so */
export const numeric = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
