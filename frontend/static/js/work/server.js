// The doors of the Work page, and what their answers mean.

const PATIENCE_MS = 20_000;
const NO_TOKEN = "00000000-0000-0000-0000-000000000000";
const TRY_AGAIN = new Set([408, 425, 429]);

// No answer, or the server failed: the same request may be sent again.
export class Unreachable extends Error {}

export class SignedOut extends Error {}

// A rule said no; `answer` says why.
export class Refused extends Error {
  constructor(status, answer) {
    super(answer.message ?? `The server refused this (${status}). Reload the page and try again.`);
    Object.assign(this, { status, answer });
  }
}

export class Server {
  constructor({ urls, csrf }) {
    Object.assign(this, { urls, csrf });
  }

  urlOf(door, token = NO_TOKEN) {
    return this.urls[door].replace(NO_TOKEN, token);
  }

  post(door, body, { token, ...options } = {}) {
    return this.send(this.urlOf(door, token), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrf() },
      body: JSON.stringify(body),
      ...options,
    });
  }

  get(door, token) {
    return this.send(this.urlOf(door, token), {});
  }

  async send(url, { headers, ...options }) {
    let response;
    try {
      const signal = AbortSignal.timeout?.(PATIENCE_MS);
      response = await fetch(url, { headers: { Accept: "application/json", ...headers }, signal, ...options });
    } catch {
      throw new Unreachable();
    }
    return answerOf(response);
  }

  // Signing in again, in another tab, changes the token; the cookie has the new one.
  #csrf() {
    return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? this.csrf;
  }
}

async function answerOf(response) {
  const { status } = response;
  if (status >= 500 || TRY_AGAIN.has(status)) throw new Unreachable();
  const answer = await response.json().catch(() => null);
  if (status === 401 || (status === 403 && !answer)) throw new SignedOut(); // a stale CSRF token: of an earlier session
  if (!response.ok) throw new Refused(status, answer ?? {});
  if (!answer) throw new Unreachable(); // somebody between us and the server answered
  return answer;
}
