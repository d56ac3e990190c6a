// Judgments on their way: kept in this browser until the server has them, delivered one after the other, in order.

import { Refused, SignedOut, Unreachable } from "./server.js";
import { forget, keys, read, write } from "./store.js";

const PREFIX = "negativa.outbox.";
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

// Events: "change" (what waits, or why), "delivered" and "refused" with { entry, answer | error } as detail.
export class Outbox extends EventTarget {
  #entries = [];
  #timer = 0;
  #pause = FIRST_PAUSE_MS;
  #isRunning = false;
  #turn = Promise.resolve();

  state = "idle"; // or "sending", "offline", "signed out"
  isKept = true; // false when the browser does not keep anything

  // `owner` names who judges and for which campaign; `besides(entry)` promises the leases
  // to leave out of the answer.
  constructor({ server, owner, besides }) {
    super();
    Object.assign(this, { server, besides, prefix: `${PREFIX}${owner}.` });
    const kept = keys(this.prefix).map((key) => read(key));
    this.#entries = kept.filter((entry) => entry?.body).sort((a, b) => a.at - b.at);
    for (const entry of this.#entries) delete entry.refusal; // asked once more
    for (const event of ["online", "focus"]) addEventListener(event, () => this.retry());
    document.addEventListener("visibilitychange", () => document.hidden || this.retry());
  }

  get waiting() {
    return this.#entries.filter(({ refusal }) => !refusal);
  }

  get tokens() {
    return this.#entries.map(({ token }) => token);
  }

  // The campaigns of the same person whose pages have not delivered everything.
  get elsewhere() {
    const person = this.prefix.replace(/[^.]+\.$/, "");
    const others = keys(person).filter((key) => !key.startsWith(this.prefix));
    return [...new Set(others.map((key) => key.slice(person.length).split(".")[0]))];
  }

  find(token) {
    return this.#entries.find((entry) => entry.token === token);
  }

  put(entry) {
    entry.at ??= Date.now();
    this.#entries = [...this.#entries.filter(({ token }) => token !== entry.token), entry];
    this.#keep(entry);
    this.#changed();
    this.run();
  }

  // Not to be delivered any more.
  drop({ token }) {
    this.#entries = this.#entries.filter((entry) => entry.token !== token);
    forget(this.prefix + token);
    this.#changed();
  }

  // Something may have changed: the network is back, somebody looks at the page again.
  retry() {
    this.#pause = FIRST_PAUSE_MS;
    if (this.waiting.length) this.run();
  }

  // Promises the end of what is being sent now.
  settled() {
    return this.#turn;
  }

  async run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    clearTimeout(this.#timer);
    do this.#turn = this.waiting.length ? this.#deliver(this.waiting[0]) : Promise.resolve(false);
    while (await this.#turn);
    this.#isRunning = false;
    if (!this.waiting.length) this.state = "idle";
    else this.#later();
    this.#changed();
  }

  // Says whether to go on with the next one.
  async #deliver(entry) {
    if (this.state === "idle") this.state = "sending";
    try {
      await entry.ready; // a draft of it may still be on its way
      const besides = await this.besides(entry);
      if (this.find(entry.token) !== entry) return true; // taken back
      entry.wasSent = true;
      const answer = await this.server.post("judgment", { ...entry.body, besides }, { token: entry.token });
      if (this.find(entry.token) === entry) this.drop(entry);
      this.#answered("delivered", { entry, answer });
    } catch (error) {
      return this.#failed(entry, error);
    }
    return true;
  }

  #failed(entry, error) {
    if (error instanceof Unreachable || error instanceof SignedOut) {
      this.state = error instanceof SignedOut ? "signed out" : "offline";
      return false;
    }
    if (!(error instanceof Refused)) throw error;
    entry.refusal = { status: error.status, ...error.answer, message: error.message };
    this.#keep(entry);
    this.#answered("refused", { entry, error });
    return true;
  }

  #answered(type, detail) {
    this.state = "idle";
    this.#pause = FIRST_PAUSE_MS;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #later() {
    this.#timer = setTimeout(() => this.run(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #keep({ ready, marks, ...entry }) {
    this.isKept = write(this.prefix + entry.token, entry);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
