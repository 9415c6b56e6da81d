/** Sign in, or register where registration is open. */

import * as api from "./api.js";
import { h, show } from "./dom.js";
import { form } from "./form.js";

const email = { name: "email", label: "Email", type: "email", more: { autocomplete: "username" } };

/**
 * @param {() => void} done
 * @param {boolean} ended whether a login has just ended by itself
 */
export function signIn(done, ended) {
  const place = h("div.gate");
  let open = false;
  const send = (how) => async (values) => {
    await api.signIn(how, values);
    done();
  };
  const other = (question, answer, go) => h("p.other", question, " ", h("button.link", { onclick: go }, answer));
  const invitation = () => open && other("New here?", "Create an account", register);

  const known = () => draw("Sign in", ended ? "Your session has ended. Sign in to go on where you were." : "Your events, as they sell.",
    form([email, { name: "password", label: "Password", type: "password", more: { autocomplete: "current-password" } }],
      { action: "Sign in", submit: send("login") }),
    invitation());

  const register = () => draw("Create an account", "Then add a venue and your first event.",
    form([{ name: "name", label: "Name", more: { autocomplete: "name" } }, email,
      { name: "password", label: "Password", type: "password", hint: "8 characters or more", more: { autocomplete: "new-password" } }],
    { action: "Create account", submit: send("register") }),
    other("Have an account?", "Sign in", known));

  function draw(title, about, content, below) {
    show(place, h("div.card", h("p.brand", h("span.mark", { "aria-hidden": "true" }), "Evently"),
      h("h1", title), h("p.muted", about), content, below));
    place.querySelector("input")?.focus();
  }

  known();
  api.entry().then(({ registration }) => {
    open = registration === "open";
    // Whoever has begun to type is not interrupted.
    if (open && !place.querySelector(".other")) place.firstChild.append(invitation());
  }, () => {});
  return place;
}
