// Raw or rendered: how the output is shown. Remembered for the person.

import { save } from "../preferences.js";

export class View {
  #sheet = null;

  constructor({ server, reader, preferences, onChange }) {
    Object.assign(this, { server, reader, preferences, onChange });
    this.buttons = [...document.querySelectorAll("#view [data-view]")];
    this.wanted = preferences.view || "raw";
    for (const button of this.buttons) button.addEventListener("click", () => this.choose(button.dataset.view));
  }

  load(sheet) {
    this.#sheet = sheet;
    this.reader.load({ language: sheet.language });
    this.#press();
  }

  toggle() {
    this.choose(this.wanted === "raw" ? "rendered" : "raw");
  }

  choose(view) {
    this.wanted = view;
    save(this.preferences, { view }).catch(() => {
      // It holds until the page is left.
    });
    this.load(this.#sheet);
    this.onChange();
  }

  #press() {
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.dataset.view === this.wanted);
  }
}
