/** One's own account, where one is signed in, what was done to it; for a super_admin, all admins. */

import * as api from "./api.js";
import { announce, h, heads, panel, show } from "./dom.js";
import { doing, form } from "./form.js";
import { count, day, moment } from "./format.js";
import { pager } from "./lists.js";

const PAGE = 20;
const ROLES = { event_manager: "Event manager", admin: "Admin", super_admin: "Super admin" };
const TOLD = {
  admin_registered: "registered", admin_activated: "activated", admin_deactivated: "deactivated", login_throttled: "was kept from guessing the password of",
  password_changed: "changed the password of", profile_changed: "changed the profile of", refreshes_revoked: "ended logins of",
  role_changed: "changed the role of", venue_created: "created", venue_updated: "changed", venue_deleted: "deleted",
};

/** @type {import("./app.js").View} */
export async function account({ element, gone }) {
  const me = await api.get("me").catch((error) => {
    if (error.code === "ADMIN_NOT_FOUND") return null;
    throw error;
  });
  if (!me) {
    show(element, h("h1", "Account"), h("p.note", "Your account is kept by the platform's user service; change it there."));
    return;
  }
  const audit = h("section.panel");
  const told = () => readAudit(audit, 1);
  const admins = h("section.panel", { hidden: !me.permissions.includes("admins:manage") });
  await Promise.all([told(), admins.hidden ? null : readAdmins(admins, 1, me)]);
  if (gone.aborted) return;
  show(element,
    h("h1", "Account"),
    h("div.columns",
      h("div",
        panel("Profile", h("p.muted", `${me.email} · ${ROLES[me.role]} since ${day(me.created_at)}`),
          form([
            { name: "name", label: "Name", value: me.name, more: { autocomplete: "name" } },
            { name: "phone_number", label: "Phone", value: me.phone_number, optional: true, type: "tel", more: { autocomplete: "tel" } },
          ], { action: "Save", submit: async (values) => { await api.change("PUT", "me", values); announce("Saved"); await told(); } })),
        panel("Password", h("p.muted", "Changing it signs you out everywhere else."), passwordForm(me, told))),
      h("div",
        panel("Sessions", h("p", me.sessions === 1 ? "You are signed in here only." : `You have ${count(me.sessions, "open session")}.`),
          doing("Log out everywhere", async () => { await api.change("DELETE", "me/sessions"); await api.signOut().catch(() => {}); })),
        admins, audit)));
}

/** @param {() => Promise<void>} done */
function passwordForm(me, done) {
  const element = form([
    { name: "old_password", label: "Current password", type: "password", more: { autocomplete: "current-password" } },
    { name: "new_password", label: "New password", type: "password", hint: "8 characters or more", more: { autocomplete: "new-password" } },
  ], {
    action: "Change password",
    // For password managers.
    more: [h("input", { type: "email", autocomplete: "username", value: me.email, hidden: true, readonly: true })],
    submit: async (values) => {
      api.goOnWith(await api.change("POST", "me/password", values));
      element.reset();
      announce("Password changed. You are signed out everywhere else.");
      await done();
    },
  });
  return element;
}

/**
 * @param {HTMLElement} place
 * @param {number} page
 */
async function readAudit(place, page) {
  const found = await api.get("audit", { page, limit: PAGE });
  const who = (one) => one.caller_name || one.caller.replace(/^admin:.*/, "An admin").replace("anonymous", "Somebody").replace("command line", "An operator");
  show(place, h("h2", "What was done"),
    found.entries.length ? h("ol.history", found.entries.map((one) => h("li.edit",
      h("span.what", `${who(one)} ${TOLD[one.action] || one.action} ${one.subject_name || one.details.name || "an admin"}${one.action === "role_changed" ? `: ${one.details.from} → ${one.details.to}` : ""}`),
      h("time.muted", { datetime: one.recorded_at }, moment(one.recorded_at))))) : h("p.muted", "Nothing yet."),
    (page > 1 || found.has_more) && h("nav.pager", { "aria-label": "Pages of what was done" },
      h("button", { disabled: page === 1, onclick: () => readAudit(place, page - 1) }, "Newer"),
      h("button", { disabled: !found.has_more, onclick: () => readAudit(place, page + 1) }, "Older")));
}

/**
 * @param {HTMLElement} place
 * @param {number} page
 * @param {any} me
 */
async function readAdmins(place, page, me) {
  const found = await api.get("admins", { page, limit: PAGE });
  const again = () => readAdmins(place, page, me);
  /** @param {any} one @param {any} changes @param {string} text */
  const set = async (one, changes, text) => {
    await api.change("PUT", `admins/${one.admin_id}`, changes);
    announce(text);
    await again();
  };
  const role = (one) => {
    const select = h("select", { "aria-label": `Role of ${one.name}`, value: one.role, onchange: () =>
      set(one, { role: select.value }, `${one.name} is ${ROLES[select.value]} now`).catch((error) => { announce(error.message); again(); }) },
    Object.entries(ROLES).map(([name, label]) => h("option", { value: name }, label)));
    return select;
  };
  show(place, h("h2", "Admins"), h("table.list",
    heads(["Name", "Role", "State"]),
    h("tbody", found.admins.map((one) => h("tr",
      h("td", h("span.name", one.name, one.admin_id === me.admin_id && " (you)"), h("span.muted", one.email)),
      h("td", role(one)),
      h("td", doing(one.is_active ? "Deactivate" : "Activate", () => set(one, { is_active: !one.is_active }, `${one.name} is ${one.is_active ? "out" : "in"} now`), one.is_active ? "quiet" : ""), !one.is_active && h("span.muted", "inactive")))))),
  pager(found, PAGE, (to) => readAdmins(place, to, me)));
}
