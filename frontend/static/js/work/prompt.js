// The prompt: closed and opened as its reader left it, long ones short at first, searched by "/".

import { byId, remember } from "./page.js";
import { TextMap } from "./textmap.js";

const LONG = 1500; // characters
const FOUND_AT_MOST = 999;
const SPECIAL = /[.*+?^${}()|[\]\\]/g;

export class Prompt {
  #found = [];
  #at = -1;

  constructor({ onLeave }) {
    this.details = byId("prompt");
    this.messages = byId("messages");
    this.all = byId("prompt-all");
    this.field = byId("prompt-search");
    this.count = byId("prompt-count");
    this.onLeave = onLeave;
    remember(this.details);
    this.all.addEventListener("click", () => this.#shorten(!this.isShort));
    byId("prompt-find").addEventListener("click", () => this.search());
    this.field.addEventListener("input", () => this.#find());
    this.field.addEventListener("keydown", (event) => this.#onKey(event));
    byId("prompt-close").addEventListener("click", () => this.#leave());
  }

  load() {
    this.#close();
    const length = this.messages.textContent.length;
    const turns = this.messages.childElementCount;
    this.all.dataset.all = `Show all${turns > 1 ? ` ${turns} turns` : ""}, ${length.toLocaleString("en")} characters`;
    this.all.hidden = length <= LONG;
    this.#shorten(length > LONG);
    this.messages.scrollTop = 0;
  }

  search() {
    this.details.open = true;
    this.#shorten(false);
    byId("prompt-tools").classList.add("is-open");
    this.field.focus();
    this.field.select();
  }

  get isShort() {
    return this.messages.classList.contains("is-short");
  }

  #shorten(isShort) {
    this.messages.classList.toggle("is-short", isShort);
    this.all.setAttribute("aria-expanded", !isShort);
    this.all.textContent = isShort ? this.all.dataset.all : "Show less";
  }

  #onKey(event) {
    if (event.key === "Escape") this.#leave();
    else if (event.key === "Enter") this.#go(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #find() {
    const wanted = this.field.value.replace(SPECIAL, "\\$&");
    this.#found = wanted ? [...this.messages.querySelectorAll(".hostile")].flatMap((each) => matches(each, wanted)) : [];
    this.#at = this.#found.length ? 0 : -1;
    this.#show();
  }

  #go(step) {
    const count = this.#found.length;
    if (count) this.#at = (this.#at + step + count) % count;
    this.#show();
  }

  #show() {
    const now = this.#found[this.#at];
    paint("work-found", this.#found);
    paint("work-found-now", now ? [now] : []);
    this.count.textContent = this.field.value ? (now ? `${this.#at + 1} of ${this.#found.length}` : "not found") : "";
    if (now) this.#reveal(now);
  }

  #reveal(range) {
    const [box, rect] = [this.messages.getBoundingClientRect(), range.getBoundingClientRect()];
    if (rect.top < box.top || rect.bottom > box.bottom) this.messages.scrollBy(0, rect.top - box.top - box.height / 3);
  }

  #close() {
    byId("prompt-tools").classList.remove("is-open");
    this.field.value = "";
    this.#find();
  }

  #leave() {
    this.#close();
    this.onLeave();
  }
}

function matches(root, pattern) {
  const map = new TextMap(root);
  const found = [...map.text.matchAll(new RegExp(pattern, "giu"))].slice(0, FOUND_AT_MOST);
  return found.map(({ index, 0: text }) => map.range(index, index + text.length));
}

function paint(name, ranges) {
  if (globalThis.CSS?.highlights && globalThis.Highlight) CSS.highlights.set(name, new Highlight(...ranges));
}
