// One question as the page shows it. Texts come in pieces: a text, or a hidden character with its name.

import { byId, element, remember } from "../work/page.js";

export class Sheet {
  #seconds = 0;
  #since = 0;

  // `isSensitive`: texts stay blurred until somebody uncovers them, question by question.
  constructor({ form, isSensitive }) {
    Object.assign(this, { form, isSensitive });
    byId("uncover").addEventListener("click", () => this.uncover());
    remember(byId("verify-prompt"));
    document.addEventListener("visibilitychange", () => this.#count());
  }

  get isCovered() {
    return this.form.classList.contains("is-covered");
  }

  // How long the question has been in sight.
  get seconds() {
    this.#count();
    return Math.round(this.#seconds * 1000) / 1000;
  }

  show({ statement, prompt, output, language, found }) {
    fill(byId("statement"), statement);
    showFound(found);
    byId("messages").replaceChildren(...prompt.map(messageOf));
    fill(byId("output"), output);
    byId("output").lang = language;
    this.#cover(this.isSensitive);
    byId("messages").scrollTop = 0;
    scrollTo({ top: 0, behavior: "instant" });
    this.#seconds = 0;
    this.#since = performance.now();
  }

  uncover() {
    if (!this.isCovered) return;
    this.#cover(false);
    byId("output").focus({ preventScroll: true });
  }

  togglePrompt() {
    const prompt = byId("verify-prompt");
    prompt.open = !prompt.open;
  }

  // What is blurred is not read aloud either.
  #cover(isDown) {
    this.form.classList.toggle("is-covered", isDown);
    byId("cover").hidden = !isDown;
    for (const id of ["messages", "output", "found"]) byId(id).inert = isDown;
  }

  // The time away from the page is not counted.
  #count() {
    const now = performance.now();
    if (this.#since) this.#seconds += (now - this.#since) / 1000;
    this.#since = document.hidden ? 0 : now;
  }
}

export const textOf = (pieces) => pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");

function fill(box, pieces) {
  box.replaceChildren(...pieces.map(nodeOf));
}

function nodeOf(piece) {
  if (typeof piece === "string") return document.createTextNode(piece);
  const [text, name] = piece;
  const made = element("span", text, "hidden-character");
  made.dataset.name = name;
  return made;
}

// What a check found; null where the question is asked blind.
function showFound(found) {
  byId("found").hidden = !found;
  byId("found-says").textContent = found?.length
    ? "A check found this, and checks err:"
    : "A check found nothing here, and checks err.";
  byId("findings").replaceChildren(...(found ?? []).map(findingOf));
}

function findingOf({ quote, message }) {
  const made = element("li");
  const words = element("q", quote);
  words.dir = "auto";
  if (quote) made.append(words, " ");
  made.append(element("span", message, "muted"));
  return made;
}

function messageOf({ role, kind, name, pieces }) {
  const made = element("div", "", kind === "text" ? "verify-message" : "verify-message is-tool");
  const says = { call: `calls ${name}`, result: `${name || "tool"} answers` }[kind] ?? role;
  if (says) made.append(element("p", says, "verify-role"));
  const text = element("div", "", "hostile");
  text.dir = "auto";
  fill(text, pieces);
  made.append(text);
  return made;
}
