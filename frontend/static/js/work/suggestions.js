// What checks found, to be looked at and taken, or left: nothing is marked until its button is pressed.

import { byId, element } from "./page.js";

export class Suggestions {
  #given = [];

  // onLook(span) shows words in the text, onTake(violation) marks them, isTaken(violation) says whether they are marked.
  constructor({ tagName, quoteOf, isTaken, onLook, onTake }) {
    Object.assign(this, { tagName, quoteOf, isTaken, onLook, onTake, list: byId("suggestions") });
    this.list.addEventListener("focusin", ({ target }) => this.#look(this.#given[target.value]));
    this.list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      event.preventDefault();
      this.#take(this.#given[button.value]);
    });
  }

  // Null where the output is judged blind.
  load(given) {
    this.#given = given ?? [];
    byId("suggested").hidden = !given;
    byId("suggestions-some").hidden = !this.#given.length;
    byId("suggestions-none").hidden = Boolean(this.#given.length);
    this.list.replaceChildren(...this.#given.map((each, index) => this.#item(each, index)));
    this.refresh();
  }

  refresh() {
    for (const button of this.list.querySelectorAll("button")) {
      const isTaken = this.isTaken(this.#given[button.value]);
      button.disabled = isTaken;
      button.textContent = isTaken ? "Taken" : "Take";
    }
  }

  // Shows the next one that is not taken; takes the one that is shown. Says whether there was one.
  next() {
    const shown = document.activeElement;
    const button = this.list.contains(shown) ? shown : this.list.querySelector("button:enabled");
    if (button === shown) button.click();
    else button?.focus();
    return Boolean(button);
  }

  #look({ scope, start, end }) {
    if (scope === "span") this.onLook({ start, end });
  }

  #take({ tag, scope, severity, start, end }) {
    this.onTake({ tag, scope, severity, start, end });
  }

  #item(given, index) {
    const made = element("li", "", "suggestion");
    const says = element("p");
    const quote = this.quoteOf(given);
    const about = quote ? element("q", quote, "violation-quote") : element("span", "whole output", "violation-scope muted");
    about.dir = quote ? "auto" : "";
    says.append(element("strong", this.tagName(given)), " ", about);
    const button = element("button", "Take", "button is-quiet is-small");
    Object.assign(button, { name: "take", value: index });
    button.setAttribute("aria-describedby", `suggestion-${index}`);
    says.id = `suggestion-${index}`;
    made.append(says, element("p", `${given.statement} · ${given.message}`, "muted small"), button);
    return made;
  }
}
