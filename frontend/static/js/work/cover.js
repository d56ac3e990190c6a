// Texts of a sensitive campaign stay blurred until the annotator uncovers them, sheet by sheet.

import { byId } from "./page.js";

export class Cover {
  constructor({ form, isSensitive, onUncover }) {
    Object.assign(this, { form, isSensitive, onUncover });
    byId("uncover").addEventListener("click", () => this.lift());
  }

  get isDown() {
    return this.form.classList.contains("is-covered");
  }

  lower() {
    if (this.isSensitive) this.#set(true);
  }

  lift() {
    if (!this.isDown) return;
    this.#set(false);
    this.onUncover();
  }

  // What is blurred is not read aloud either, and cannot be selected.
  #set(isDown) {
    this.form.classList.toggle("is-covered", isDown);
    byId("cover").hidden = !isDown;
    for (const id of ["messages", "output"]) byId(id).inert = isDown;
  }
}
