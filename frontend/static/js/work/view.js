// Raw or rendered: how the output is shown. Remembered for the person.

import { save } from "../preferences.js";
import { fill, htmlOf } from "./rendered.js";
import { fill as fillRaw, textOf } from "./sheet.js";
import { announce } from "./status.js";

export class View {
  #sheet = null;
  #shown = "";

  // `onShown()` follows when another view of the sheet is there, `failed` ones too.
  constructor({ server, reader, preferences, onShown }) {
    Object.assign(this, { server, reader, preferences, onShown });
    this.buttons = [...document.querySelectorAll("#view [data-view]")];
    this.wanted = preferences.view || "raw";
    for (const button of this.buttons) button.addEventListener("click", () => this.choose(button.dataset.view));
  }

  // The sheet was put on the page, as it is written.
  load(sheet) {
    this.#sheet = sheet;
    this.#loadRaw();
    if (this.wanted === "rendered") this.#render();
  }

  // Asked for ahead, so that the next sheet is shown rendered at once.
  prepare(sheet) {
    if (this.wanted === "rendered") htmlOf(this.server, sheet).catch(() => {});
  }

  toggle() {
    this.choose(this.#shown === "raw" ? "rendered" : "raw");
  }

  choose(view) {
    this.wanted = view;
    save(this.preferences, { view }).catch(() => announce("The choice of view is not saved; it holds until you leave."));
    if (view === "rendered") return this.#render();
    fillRaw(this.reader.root, this.#sheet.output);
    this.#loadRaw();
    this.onShown();
  }

  #loadRaw() {
    this.reader.load({ language: this.#sheet.language });
    this.#press("raw");
  }

  async #render() {
    const sheet = this.#sheet;
    try {
      const html = await htmlOf(this.server, sheet);
      if (sheet !== this.#sheet || this.wanted !== "rendered") return;
      const text = textOf(sheet.output);
      this.reader.load({ language: sheet.language, text, runs: fill(this.reader.root, html, text) });
      this.#press("rendered");
      this.onShown();
    } catch {
      announce("The rendered view is not to be had now; this is the text as it is written.", { isShown: true });
    }
  }

  #press(view) {
    this.#shown = view;
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.view === view);
  }
}
