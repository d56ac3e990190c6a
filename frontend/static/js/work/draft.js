// Keeps what is marked on one sheet: on the server a moment after each change, in this browser while that fails.

import { chosen } from "./marks.js";
import { Refused, SignedOut } from "./server.js";
import { forget, keys, read, write } from "./store.js";

const QUIET_MS = 400;
const AGAIN_MS = 5000;
const AGE_MS = 2000;
const PREFIX = "negativa.draft.";
const KEPT_MS = 7 * 24 * 3600 * 1000;

export class Draft {
  #timer = 0;
  #isDirty = false;
  #isEnded = false;
  #isChoosing = false;
  #flight = null;
  #over = new AbortController();

  // The server knows a page by its sheet's key, and lets it change its own draft whatever the version.
  // `content()` is what to keep; `onState(text, isWrong)` shows how it went; `onConflict({ message, marked })` promises
  // "theirs" or "mine", after it has shown theirs if so chosen. The sheet's version and lease's end are kept up to date.
  constructor({ server, sheet, content, onState, onConflict }) {
    Object.assign(this, { server, sheet, content, onState, onConflict, stored: PREFIX + sheet.lease, savedAt: 0 });
    const { signal } = this.#over;
    this.ageTimer = setInterval(() => this.#showAge(), AGE_MS);
    addEventListener("online", () => this.#isDirty && this.#save(), { signal });
    addEventListener("pagehide", () => this.#isDirty && this.#save({ keepalive: true }), { signal });
  }

  // What this browser kept of the sheet and the server did not confirm: { content, version }, or null.
  static kept({ lease }) {
    for (const key of keys(PREFIX)) if (!(read(key)?.at > Date.now() - KEPT_MS)) forget(key);
    return read(PREFIX + lease);
  }

  changed() {
    if (this.#isEnded) return;
    this.#isDirty = true;
    const isKept = write(this.stored, { version: this.sheet.version, at: Date.now(), content: this.content() });
    this.onState(isKept ? "…" : "Not saved yet");
    this.#again(QUIET_MS);
  }

  // What this browser kept is not wanted any more.
  settle() {
    forget(this.stored);
  }

  // The sheet leaves the screen: save what is not saved yet.
  leave() {
    if (this.#isDirty && !this.#isChoosing) this.#save();
    this.#stop();
  }

  // The judgment is on its way, the draft has nothing more to say. Promises that nothing of it is under way.
  end() {
    this.#isEnded = true;
    this.#stop();
    forget(this.stored);
    return this.#flight ?? Promise.resolve();
  }

  #stop() {
    clearTimeout(this.#timer);
    clearInterval(this.ageTimer);
    this.#over.abort();
  }

  #again(pause) {
    clearTimeout(this.#timer);
    if (!this.#over.signal.aborted) this.#timer = setTimeout(() => this.#save(), pause);
  }

  #save({ keepalive = false, force = false } = {}) {
    if (this.#isChoosing || this.#isEnded || (this.#flight && !keepalive)) return;
    this.#isDirty = false;
    const { lease, key, version } = this.sheet;
    this.#flight = this.server
      .post("draft", { ...this.content(), key, version, ...(force && { force }) }, { token: lease, keepalive })
      .then((answer) => this.#saved(answer))
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#flight = null;
        if (this.#isDirty && !this.#isEnded) this.#again(this.savedAt ? QUIET_MS : AGAIN_MS);
      });
  }

  #saved({ version, until }) {
    this.sheet.version = version;
    this.sheet.until = until ?? this.sheet.until;
    this.savedAt = Date.now();
    if (this.#isEnded) return;
    if (!this.#isDirty) forget(this.stored);
    this.onState("Saved");
  }

  #failed(error) {
    if (this.#isEnded) return;
    if (error instanceof Refused) return this.#refused(error);
    this.#isDirty = true;
    this.savedAt = 0;
    this.onState(error instanceof SignedOut ? "Signed out, kept here" : "Offline, kept here", true);
  }

  #refused({ status, answer, message }) {
    if (status !== 409 || !answer.marked) return this.onState(message, true);
    this.sheet.version = answer.version;
    if (isSame(this.content(), answer.marked)) this.#saved(answer);
    else this.#choose(answer);
  }

  async #choose(answer) {
    this.#isChoosing = true;
    this.onState("Changed elsewhere", true);
    const choice = await this.onConflict(answer);
    this.#isChoosing = false;
    this.#isDirty = false;
    if (choice === "theirs") this.#saved(answer);
    else this.#save({ force: true });
  }

  #showAge() {
    if (!this.savedAt || this.#isDirty || this.#isEnded) return;
    const seconds = Math.round((Date.now() - this.savedAt) / 1000);
    this.onState(seconds < 60 ? `Saved ${seconds} s ago` : `Saved ${Math.round(seconds / 60)} min ago`);
  }
}

const FIELDS = ["tag", "scope", "severity", "start", "end", "critique", "correction"];
const plain = ({ violations, verdict, comment }) =>
  JSON.stringify([violations.map((each) => FIELDS.map((field) => each[field] ?? "")), chosen(verdict), comment ?? ""]);

export const isSame = (one, other) => plain(one) === plain(other);
export const isEmpty = (content) => isSame(content, { violations: [], verdict: "", comment: "" });
