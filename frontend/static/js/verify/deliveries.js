// Answers, and what takes them back, on their way: kept in this browser until the server has them, sent in order.

import { Refused, SignedOut, Unreachable } from "../work/server.js";
import { forget, keys, read, write } from "../work/store.js";

const PREFIX = "negativa.verify.";
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

// Events: "change" (what waits, or why), "delivered" with the server's answer, "refused" with { delivery, error }.
export class Deliveries extends EventTarget {
  #waiting = [];
  #inFlight = null;
  #pause = FIRST_PAUSE_MS;
  #timer = 0;
  #count = 0;

  state = "idle"; // or "sending", "offline", "signed out"
  isLeaving = false; // then the server hands out nothing more

  // `owner` names who answers and for which campaign; `besides()` gives the tokens that the page has already.
  constructor({ server, owner, besides }) {
    super();
    Object.assign(this, { server, besides, prefix: `${PREFIX}${owner}.` });
    this.#waiting = keys(this.prefix).sort().map((id) => ({ ...read(id), id })).filter(({ door }) => door);
    for (const event of ["online", "focus"]) addEventListener(event, () => this.retry());
    if (this.#waiting.length) this.retry();
  }

  get count() {
    return this.#waiting.length;
  }

  get tokens() {
    return this.#waiting.map(({ token }) => token);
  }

  // The server knows an answer by its key: sent twice, it is stored once.
  answer({ token, key, answer, seconds }) {
    this.#put({ door: "answer", token, body: { key, answer, seconds } });
  }

  // What the server has not been told yet need not be taken back.
  undo({ token, key }) {
    const unsent = this.#waiting.find((each) => each.body.key === key && each !== this.#inFlight);
    if (unsent && !unsent.wasSent) this.#drop(unsent);
    else this.#put({ door: "undo", token, body: { key } });
  }

  retry() {
    this.#pause = FIRST_PAUSE_MS;
    this.#run();
  }

  #put(delivery) {
    const id = `${this.prefix}${String(Date.now()).padStart(15, "0")}.${String(this.#count++).padStart(6, "0")}`;
    this.#waiting.push({ ...delivery, id });
    write(id, delivery);
    this.#changed();
    this.#run();
  }

  #drop(delivery) {
    this.#waiting = this.#waiting.filter((each) => each !== delivery);
    forget(delivery.id);
    this.#changed();
  }

  async #run() {
    if (this.#inFlight) return;
    clearTimeout(this.#timer);
    while (this.#waiting.length) {
      this.#inFlight = this.#waiting[0];
      const isDone = await this.#send(this.#inFlight);
      this.#inFlight = null;
      if (!isDone) return this.#later();
    }
    this.state = "idle";
    this.#changed();
  }

  // Says whether to go on with the next one.
  async #send(delivery) {
    if (this.state === "idle") this.state = "sending";
    delivery.wasSent = true;
    const { door, token, body } = delivery;
    try {
      const answer = await this.server.post(door, { ...body, besides: this.besides(), is_leaving: this.isLeaving }, { token, keepalive: true });
      this.#arrived(delivery, "delivered", answer);
    } catch (error) {
      if (error instanceof Refused) this.#arrived(delivery, "refused", { delivery, error });
      else if (error instanceof Unreachable || error instanceof SignedOut) return this.#stuck(error);
      else throw error;
    }
    return true;
  }

  #arrived(delivery, type, detail) {
    this.state = "sending";
    this.#pause = FIRST_PAUSE_MS;
    this.#drop(delivery);
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #stuck(error) {
    this.state = error instanceof SignedOut ? "signed out" : "offline";
    this.#changed();
    return false;
  }

  #later() {
    this.#timer = setTimeout(() => this.#run(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
