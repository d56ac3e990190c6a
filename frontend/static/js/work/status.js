// What the page says of itself: what is saved, what waits, what was just submitted, how far the day has come.

import { byId, element } from "./page.js";
import { said, summary } from "./summary.js";

const UNDO_MS = 10_000;
const ASK_MS = 5 * 60_000;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function announce(text, { isShown = false } = {}) {
  byId("announce").textContent = text;
  if (isShown) showSaved(text);
}

export function showSaved(text, isWrong = false) {
  const saved = byId("saved");
  if (!saved || saved.textContent === text) return;
  saved.textContent = text;
  saved.classList.toggle("is-wrong", isWrong);
  if (isWrong) byId("announce").textContent = text;
}

// "Saved: rejected, 2 violations. Undo (10 s)"
export class LastSubmit {
  #timer = 0;

  constructor({ onUndo, onOver }) {
    Object.assign(this, { onUndo, onOver });
    byId("undo-last").addEventListener("click", onUndo);
  }

  // `last` is { entry, verdict, until }: not delivered yet while `until` is missing. null: nothing to take back.
  show(last) {
    clearInterval(this.#timer);
    byId("last").hidden = !last;
    if (!last) return;
    const { entry, verdict, until } = last;
    byId("last-says").textContent = `${until ? "Saved" : "Submitted"}: ${entry ? summary(entry.body) : said(verdict)}.`;
    byId("undo-left").textContent = "";
    if (!until) return;
    const end = performance.now() + Math.min(UNDO_MS, Math.max(Date.parse(until) - Date.now(), 0) || UNDO_MS);
    const tick = () => this.#tick(Math.ceil((end - performance.now()) / 1000));
    this.#timer = setInterval(tick, 250);
    tick();
  }

  #tick(seconds) {
    if (seconds > 0) byId("undo-left").textContent = `(${seconds} s)`;
    else this.onOver();
  }
}

// "2 judgments wait here, offline"
export function showWaiting(outbox) {
  const count = outbox.waiting.length;
  const isStuck = outbox.state === "offline" || outbox.state === "signed out";
  const text = `${plural(count, "judgment")} ${count === 1 ? "waits" : "wait"} here, ${outbox.state}`;
  const unsafe = outbox.isKept ? "" : ". This browser keeps nothing: leave the page open";
  const box = byId("waiting");
  const wasShown = !box.hidden;
  box.hidden = !(count && isStuck);
  byId("waiting-says").textContent = box.hidden ? "" : text + unsafe;
  byId("sign-in").hidden = outbox.state !== "signed out";
  if (box.hidden && wasShown && !count) announce("Everything that waited here is saved.");
}

export class Progress {
  #timer = 0;

  constructor({ server, today, left, is_more }) {
    Object.assign(this, { server, today, left, isMore: is_more });
    setInterval(() => document.hidden || this.#ask(), ASK_MS);
  }

  // An output was judged, or a judgment taken back (-1).
  count(by) {
    this.today = Math.max(this.today + by, 0);
    if (!this.isMore) this.left = Math.max(this.left - by, 0);
    this.#show();
  }

  async #ask() {
    const answer = await this.server.get("progress").catch(() => null);
    if (!answer) return;
    Object.assign(this, { today: answer.today, left: answer.left, isMore: answer.is_more });
    this.#show();
  }

  #show() {
    byId("today").textContent = `${this.today} today`;
    Object.assign(byId("judged-today"), { textContent: `You judged ${this.today} today.`, hidden: !this.today });
    byId("left").textContent = `${this.left}${this.isMore ? "+" : ""} left`;
    Object.assign(byId("progress"), { max: this.today + this.left || 1, value: this.today });
  }
}

// A refused judgment while something else is being marked: it waits until the annotator has time for it.
export function showRefused({ refusal }, { onOpen, onDrop }) {
  const box = element("p", "", "callout is-error");
  const open = element("button", "Go back to it", "button is-quiet is-small");
  const drop = element("button", "Discard it", "button is-quiet is-small");
  for (const [button, action] of [[open, onOpen], [drop, onDrop]]) {
    button.type = "button";
    button.addEventListener("click", () => {
      box.remove();
      action();
    });
  }
  const text = element("span", `The judgment of an output before was not taken: ${refusal.message} `);
  box.append(text, open, ...(refusal.status === 422 ? [] : [drop]));
  byId("notices").append(box);
}

// Judgments that wait in this browser for the page of another campaign.
export function showElsewhere(slugs, url) {
  for (const slug of slugs) {
    const box = element("p", `Judgments of “${slug}” wait in this browser. `, "callout");
    const link = element("a", "Open its Work page to deliver them.");
    link.href = url.replace(/\/c\/[^/]+\/work\/.*/, `/c/${slug}/work/`);
    box.append(link);
    byId("notices").append(box);
  }
}
