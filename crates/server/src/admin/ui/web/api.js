// Asking the admin. Addresses are relative, so that the page also works below a prefix.

const PATIENCE_MS = 15000;

/** A path with its parameters; lists repeat a parameter, empty values are left out. */
export function url(path, params = {}) {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => one !== undefined && one !== "" && one !== false)
      .map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`),
  );
  return pairs.length > 0 ? `${path}?${pairs.join("&")}` : path;
}

/** The answer to a question, whatever its status. */
export async function ask(address, options = {}) {
  const signal = options.signal ?? AbortSignal.timeout(PATIENCE_MS);
  return fetch(address, { cache: "no-store", ...options, signal });
}

/** The JSON of an answer that is fine. */
export async function json(path, params) {
  const answer = await ask(url(path, params));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** The status and the text of an answer. */
export async function text(path, params, options) {
  const answer = await ask(url(path, params), options);
  return { ok: answer.ok, status: answer.status, text: await answer.text() };
}

/** Does something. */
export function post(path, params) {
  return text(path, params, { method: "POST" });
}
