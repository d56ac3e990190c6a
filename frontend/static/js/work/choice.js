// The same output was marked or judged in two places: which one stays? Both are shown; nothing is decided silently.

import { element } from "./page.js";
import { summary } from "./summary.js";

export class Choice {
  #last = Promise.resolve();

  // `tagName(violation)` names a violation's tag.
  constructor({ dialog, tagName }) {
    Object.assign(this, { dialog, tagName });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
  }

  // Promises "theirs" or "mine". `theirs` and `mine` are { violations, verdict, comment }, `pieces` the output's text.
  ask(question) {
    this.#last = this.#last.then(() => this.#ask(question));
    return this.#last;
  }

  #ask({ message, theirs, mine, text }) {
    const { dialog } = this;
    dialog.querySelector("#choice-message").textContent = message;
    dialog.querySelector("#choice-text").textContent = text.length > 160 ? `${text.slice(0, 160)}…` : text;
    this.#fill("theirs", theirs, text);
    this.#fill("mine", mine, text);
    const before = document.activeElement;
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener(
        "close",
        () => {
          before?.focus?.({ preventScroll: true });
          resolve(dialog.returnValue === "mine" ? "mine" : "theirs");
        },
        { once: true },
      );
    });
  }

  #fill(name, { violations, verdict, comment }, text) {
    const points = Array.from(text);
    const root = this.dialog.querySelector(`#choice-${name}`);
    const list = element("ol");
    for (const violation of violations) {
      const { severity, start, end, critique, correction } = violation;
      const quote = start === null || start === end ? "" : `“${points.slice(start, end).join("")}”`;
      const item = element("li", [this.tagName(violation), severity, quote].filter(Boolean).join(", "));
      for (const said of [critique, correction]) if (said) item.append(element("p", said));
      list.append(item);
    }
    root.querySelector(".choice-verdict").textContent = summary({ violations, verdict });
    root.querySelector(".choice-marks").replaceChildren(list, ...(comment ? [element("p", `Comment: ${comment}`)] : []));
  }
}
