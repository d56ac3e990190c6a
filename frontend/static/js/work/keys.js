// What the keys do, and the list of them.

import { save } from "../preferences.js";
import { fill } from "./keylist.js";
import { isTyping } from "./keymap.js";
import { byId } from "./page.js";
import { announce } from "./status.js";

const TEXTUAL = new Set(["omission", "critique", "correction", "submit", "nothingWrong", "cannotTell", "minor", "major", "take"]);
const COVERED = "The texts are covered. Uncover them first.";

export class Keys {
  constructor({ keymap, desk, loop, data }) {
    Object.assign(this, { keymap, desk, loop, data, actions: actionsOf({ desk, loop, keys: this }) });
    document.addEventListener("keydown", (event) => this.#onKey(event));
    byId("open-keys").addEventListener("click", () => this.showList());
    byId("single-keys").addEventListener("change", ({ target }) => this.#setSingle(target.checked));
    this.#label();
  }

  showList() {
    fill(byId("key-groups"), this.keymap, this.data.tags);
    byId("single-keys").checked = this.keymap.hasSingleKeys;
    byId("keys").showModal();
  }

  #onKey(event) {
    const asked = this.keymap.asked(event);
    if (!asked) return;
    if (isTyping(event.target) && asked.action === "clear") return act(event, () => this.desk.focus());
    if (!this.desk.sheet) return asked.action === "undo" && act(event, () => this.loop.undo());
    if (asked.tag) return act(event, () => this.#guarded(() => this.desk.bench.apply(asked.tag)));
    return act(event, () => this.#do(asked.action));
  }

  #do(name) {
    if (this.desk.cover.isDown && TEXTUAL.has(name)) return announce(COVERED, { isShown: true });
    if (name === "clear" && this.desk.bench.isOmitting) return this.desk.bench.clear();
    if (this.actions[name]) return this.actions[name]();
    return this.#guarded(() => this.desk.reader.act(name));
  }

  #guarded(action) {
    if (this.desk.cover.isDown) announce(COVERED, { isShown: true });
    else action();
  }

  async #setSingle(isOn) {
    this.keymap.hasSingleKeys = isOn;
    await save(this.data.preferences, { single_keys: isOn }).catch(() => announce("Not saved: it holds until you leave."));
  }

  // The keys that buttons show are the person's own.
  #label() {
    for (const each of document.querySelectorAll("kbd[data-action]")) {
      each.textContent = this.keymap.labelOf(each.dataset.action);
      each.hidden = !each.textContent;
    }
    for (const chip of document.querySelectorAll("#tags [data-tag]")) {
      const key = this.keymap.keyOf(chip.dataset.tag);
      chip.querySelector("kbd").textContent = key;
      chip.querySelector("kbd").hidden = !key;
    }
  }
}

function actionsOf({ desk, loop, keys }) {
  const { bench } = desk;
  return {
    omission: () => bench.startOmission(),
    minor: () => bench.setSeverity("minor"),
    major: () => bench.setSeverity("major"),
    critique: () => bench.edit("critique"),
    correction: () => bench.edit("correction"),
    take: () => desk.suggestions.next() || announce("There is no suggestion left to take."),
    remove: () => bench.remove(),
    undo: () => undo(bench, loop),
    redo: () => announce(bench.marks.redo() ? "Done again." : "Nothing to redo."),
    nothingWrong: () => bench.setVerdict("nothing_wrong"),
    cannotTell: () => bench.setVerdict("cannot_tell"),
    skip: () => byId("open-skip").hidden || byId("open-skip").click(),
    submit: () => submit(desk, loop),
    guidelines: () => byId("open-guidelines")?.click(),
    search: () => desk.prompt.search(),
    uncover: () => desk.cover.lift(),
    view: () => desk.view.toggle(),
    help: () => keys.showList(),
  };
}

export async function undo(bench, loop) {
  if (bench.marks.undo()) announce("Undone.");
  else if (!(await loop.undo())) announce("Nothing to undo.");
}

export function submit({ bench, sheet }, loop) {
  if (!sheet || byId("send").disabled) return;
  if (bench.marks.verdict) loop.submit();
  else announce("Mark what is wrong, or choose “nothing wrong” or “cannot tell”.", { isShown: true });
}

function act(event, action) {
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) action();
}
