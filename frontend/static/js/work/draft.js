// Keeps what is marked: on the server a moment after each change, in this browser while the server is out of reach.

const QUIET_MS = 400;
const AGAIN_MS = 5000;
const PREFIX = "negativa.draft.";
const KEPT_MS = 7 * 24 * 3600 * 1000;

export class Draft {
  #timer = 0;
  #isDirty = false;
  #isEnded = false;
  #request = null;

  // `content()` returns what to keep; `onState(text, isWrong)` shows how it went.
  constructor({ url, token, version, csrf, content, onState }) {
    Object.assign(this, { url, version, csrf, content, onState, key: PREFIX + token, savedAt: 0 });
    setInterval(() => this.#showAge(), AGAIN_MS);
    addEventListener("online", () => this.#isDirty && this.#save());
    addEventListener("pagehide", () => this.#isDirty && !this.#isEnded && this.#save({ keepalive: true }));
  }

  // What this browser kept because the server did not answer, if the server has nothing newer.
  recovered() {
    prune(this.key);
    const kept = read(this.key);
    if (!kept) return null;
    forget(this.key);
    return kept.version === this.version ? kept.content : null;
  }

  changed() {
    if (this.#isEnded) return;
    this.#isDirty = true;
    keep(this.key, { version: this.version, at: Date.now(), content: this.content() });
    this.onState("…");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), QUIET_MS);
  }

  // The judgment is on its way; the draft has nothing more to say.
  end() {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#request?.abort();
    forget(this.key);
  }

  async #save({ keepalive = false } = {}) {
    if (this.#request && !keepalive) return; // the one under way looks again when it is done
    this.#isDirty = false;
    this.#request = new AbortController();
    try {
      await this.#send(keepalive, this.#request.signal);
    } catch {
      this.#failed();
    } finally {
      this.#request = null;
    }
    if (this.#isDirty && !this.#isEnded) this.#timer = setTimeout(() => this.#save(), this.savedAt ? QUIET_MS : AGAIN_MS);
  }

  async #send(keepalive, signal) {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.csrf },
      body: JSON.stringify({ ...this.content(), version: this.version }),
      keepalive,
      signal,
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return this.#saved(answer.version);
    if (response.status >= 500) throw new Error("The server failed.");
    this.#isEnded = response.status === 409;
    this.onState(answer.message ?? "Not saved. Reload the page.", true);
  }

  #saved(version) {
    this.version = version;
    this.savedAt = Date.now();
    if (!this.#isDirty) forget(this.key);
    this.onState("Saved");
  }

  #failed() {
    if (this.#isEnded) return;
    this.#isDirty = true;
    this.savedAt = 0;
    this.onState("The server cannot be reached. Kept in this browser.", true);
  }

  #showAge() {
    if (!this.savedAt || this.#isDirty || this.#isEnded) return;
    const seconds = Math.round((Date.now() - this.savedAt) / 1000);
    this.onState(seconds < 60 ? `Saved ${seconds} s ago` : `Saved ${Math.round(seconds / 60)} min ago`);
  }
}

function keep(key, entry) {
  try {
    localStorage.setItem(key, JSON.stringify(entry));
  } catch {
    // Without storage the server alone keeps it.
  }
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // There was none.
  }
}

function prune(own) {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && key !== own && !(read(key)?.at > Date.now() - KEPT_MS)) forget(key);
    }
  } catch {
    // Nothing kept, nothing to prune.
  }
}
