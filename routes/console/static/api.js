/**
 * Talks to the service, as the admin who is signed in.
 *
 * Rules:
 * 1. The access token is kept in memory, the refresh token in `sessionStorage`; neither outlives the tab.
 * 2. One renewal at a time. A tab that was duplicated has the same refresh token, which works once: tabs
 *    take turns by a lock, and whoever renews tells the others what comes next.
 * 3. A change is sent once. Only what changes nothing is tried again by itself.
 */

const KEPT = "evently.refresh_token";
const TRIES = 3;
const ASK_OTHERS_MS = 150;
/** A token says that it was issued so long before it was, for nodes whose clocks are behind. */
const SKEW_S = 5;
const channel = new BroadcastChannel("evently.console");

/** The time by the service's clock, which opens and closes sales; up to a second late. */
export const now = () => Date.now() + aheadMs;

const kept = () => sessionStorage.getItem(KEPT);

/** @type {string | null} */
let access = null;
/** When the access token is renewed, half-way through its life, by this tab's own clock. */
let renewAtMs = 0;
/** How much the service's clock is ahead of this one's. */
let aheadMs = 0;
/** @type {Promise<any> | null} */
let renewing = null;
/** What each token that was used up here was followed by. @type {Map<string, any>} */
const followed = new Map();

/** A refusal or a failure; `fields` are messages by the name of the field. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {any} error
   * @param {number} [retryAfterS]
   */
  constructor(status, error, retryAfterS = 0) {
    super(error?.message || "The service gave an answer that this page does not understand");
    this.status = status;
    /** @type {string} */
    this.code = error?.code || "UNKNOWN";
    this.details = error?.details || {};
    this.retryAfterS = retryAfterS;
    /** @type {Record<string, string>} */
    this.fields = {};
    for (const { field, message } of this.details.fields || []) {
      this.fields[field.replace(/^(body|query)\./, "")] = message;
    }
  }
}

channel.onmessage = ({ data }) => {
  const mine = kept();
  if (data.asks) {
    const tokens = followed.get(data.asks);
    if (tokens) channel.postMessage({ used: data.asks, tokens });
  } else if (data.used && data.used === mine) keep(data.tokens);
};

function keep(tokens) {
  access = tokens.access_token;
  const { exp, iat } = JSON.parse(atob(tokens.access_token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  renewAtMs = performance.now() + 500 * (exp - iat - SKEW_S);
  sessionStorage.setItem(KEPT, tokens.refresh_token);
}

function forget() {
  access = null;
  sessionStorage.removeItem(KEPT);
}

/** Whether somebody is signed in here, as far as this tab knows. */
export const signedIn = () => kept() !== null;

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: any, query?: Record<string, any>, etag?: string, key?: string, bare?: boolean }} [how]
 * @returns {Promise<Response>}
 */
async function send(method, path, how = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (access && !how.bare) headers.Authorization = `Bearer ${access}`;
  if (how.body !== undefined) headers["Content-Type"] = "application/json";
  if (how.etag) headers["If-None-Match"] = how.etag;
  if (how.key) headers["Idempotency-Key"] = how.key;
  const given = Object.entries(how.query || {}).filter(([, value]) => value !== "" && value != null);
  const query = given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
  try {
    const response = await fetch(`${path}${query}`, {
      method, headers, cache: "no-store", credentials: "omit",
      body: how.body === undefined ? undefined : JSON.stringify(how.body),
    });
    aheadMs = Date.parse(response.headers.get("Date") || "") - Date.now() || 0;
    return response;
  } catch {
    const message = method === "GET"
      ? "The service cannot be reached; trying again"
      : "The service cannot be reached. Look whether it was done before you repeat it";
    throw new ApiError(0, { code: "OFFLINE", message });
  }
}

/**
 * The answer's value, or an ApiError.
 * @param {Response} response
 */
async function read(response) {
  const value = await response.json().catch(() => null);
  if (response.ok) return value;
  throw new ApiError(response.status, value?.error, Number(response.headers.get("Retry-After")) || 0);
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Renew the access token; false if the login has ended. */
function renew() {
  // Without TLS a browser has no locks; then two tabs are told apart by the service alone.
  renewing ??= (navigator.locks ? navigator.locks.request("evently.renewal", renewInTurn) : renewInTurn()).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renewInTurn() {
  const before = access;
  const token = kept();
  if (!token) return false;
  // Another tab may have used this token a moment ago.
  channel.postMessage({ asks: token });
  if (before === null) await pause(ASK_OTHERS_MS);
  if (kept() !== token) return signedIn();
  const response = await send("POST", "api/v1/auth/admin/refresh", { body: { refresh_token: token }, bare: true });
  if (response.ok) {
    const tokens = await response.json();
    // Whoever has signed out meanwhile stays so.
    if (kept() !== token) return signedIn();
    followed.set(token, tokens);
    keep(tokens);
    channel.postMessage({ used: token, tokens });
    return true;
  }
  if (response.status !== 401) await read(response);
  await pause(ASK_OTHERS_MS);
  if (kept() !== token) return signedIn();
  forget();
  dispatchEvent(new CustomEvent("signedout", { detail: { ended: true } }));
  return false;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {any} [how]
 * @returns {Promise<Response>}
 */
async function asAdmin(method, path, how) {
  if ((access === null || performance.now() > renewAtMs) && !(await renew())) throw new ApiError(401, { code: "UNAUTHORIZED", message: "Sign in again" });
  const sent = access;
  let response = await send(method, path, how);
  if (response.status === 401 && (access !== sent || (await renew()))) response = await send(method, path, how);
  return response;
}

/**
 * @param {string} path below /api/v1/admin/
 * @param {Record<string, any>} [query]
 */
export async function get(path, query) {
  for (let turn = 1; ; turn += 1) {
    try {
      return await read(await asAdmin("GET", `api/v1/admin/${path}`, { query }));
    } catch (error) {
      const again = error instanceof ApiError && (error.status === 503 || error.status === 0);
      if (!again || turn === TRIES) throw error;
      await pause(1000 * Math.max(1, error.retryAfterS) * (0.5 + Math.random()));
    }
  }
}

/**
 * What is at `path` if it is not what `etag` names; null if it is.
 * @param {string} path
 * @param {string} etag
 */
export async function poll(path, etag) {
  const response = await asAdmin("GET", `api/v1/admin/${path}`, { etag });
  if (response.status === 304) return null;
  return { value: await read(response), etag: response.headers.get("ETag") || "" };
}

/**
 * @param {"POST" | "PUT" | "DELETE"} method
 * @param {string} path
 * @param {any} [body]
 * @param {string} [key] an Idempotency-Key, for what creates
 */
export async function change(method, path, body, key) {
  return read(await asAdmin(method, `api/v1/admin/${path}`, { body, key }));
}

/**
 * Idempotency-Keys for a form: the same for the same values, so that what is sent twice creates once.
 */
export function keys() {
  let last = "";
  let key = "";
  return (body) => {
    const text = JSON.stringify(body);
    if (text !== last) key = `console-${[...crypto.getRandomValues(new Uint8Array(16))].join("-")}`;
    last = text;
    return key;
  };
}

/** Where to begin: whether anybody may register. */
export const entry = async () => read(await send("GET", "./", { bare: true }));

/**
 * Sign in, or register.
 * @param {"login" | "register"} how
 * @param {any} body
 */
export async function signIn(how, body) {
  keep(await read(await send("POST", `api/v1/auth/admin/${how}`, { body, bare: true })));
}

/** End this login on the service as well; the page forgets it in any case. */
export async function signOut() {
  const token = kept();
  forget();
  dispatchEvent(new CustomEvent("signedout", { detail: {} }));
  if (token) await send("POST", "api/v1/auth/admin/logout", { body: { refresh_token: token }, bare: true });
}

/** With the tokens of a login that replaces this one. */
export { keep as goOnWith };
