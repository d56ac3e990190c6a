// The sheet on the screen: shown, marked, kept as a draft, put aside for another.

import { Bench } from "./bench.js";
import { Cover } from "./cover.js";
import { Draft, isSame } from "./draft.js";
import { Marks, nextSeverity } from "./marks.js";
import { byId, element, reveal } from "./page.js";
import { Prompt } from "./prompt.js";
import { Reader } from "./reader.js";
import * as sheets from "./sheet.js";
import { announce, showSaved } from "./status.js";
import { Suggestions } from "./suggestions.js";
import { said } from "./summary.js";
import { View } from "./view.js";

const PATIENCE_MS = 400;
const CHANGED_TEXT =
  "Something in this browser changed the text, so marks would be misplaced. Switch off extensions and reload.";

export class Desk {
  sheet = null;
  #draft = null;
  #aside = new WeakMap(); // sheets put aside, with the steps that can be undone on them
  #timer = 0;

  constructor({ server, data, choice }) {
    Object.assign(this, { server, choice, form: byId("work"), output: byId("output") });
    this.reader = new Reader(this.output, {
      onMove: (says) => this.#moved(says),
      onPick: (id) => this.bench.turn(id, nextSeverity),
      onEdge: (id, span, side) => this.bench.moveEdge(id, span, side),
      onRefused: (says) => announce(says, { isShown: true }),
      onReveal: (range) => reveal(range, this.form),
    });
    this.bench = new Bench({
      reader: this.reader,
      root: byId("violations"),
      template: byId("violation-template"),
      tags: data.tags,
    });
    this.bench.addEventListener("change", () => this.#render());
    this.bench.addEventListener("marked", () => this.#draft.changed());
    this.bench.addEventListener("said", ({ detail }) => announce(detail.text, detail));
    this.suggestions = new Suggestions({
      tagName: (given) => this.bench.tagOf(given).name,
      quoteOf: (given) => this.reader.excerpt(given),
      isTaken: (given) => this.bench.marks.violations.some((each) => isSamePlace(each, given)),
      onLook: (span) => this.reader.look(span),
      onTake: (violation) => {
        this.bench.take(violation);
        this.focus();
      },
    });
    this.prompt = new Prompt({ onLeave: () => this.focus() });
    this.cover = new Cover({ form: this.form, isSensitive: data.is_sensitive, onUncover: () => this.focus() });
    const { reader, bench } = this;
    this.view = new View({ server, reader, preferences: data.preferences, onShown: () => bench.refresh() });
  }

  get isMarked() {
    return Boolean(this.sheet) && this.bench.marks.hasContent;
  }

  show(sheet, marks = this.#aside.get(sheet)) {
    this.#wake();
    this.sheet = sheet;
    sheets.show(sheet);
    this.prompt.load();
    this.view.load(sheet);
    const kept = Draft.kept(sheet);
    const isOurs = kept?.version === sheet.version;
    const content = kept && isOurs ? kept.content : sheet.marked;
    this.#draft = this.#draftOf(sheet);
    this.suggestions.load(sheet.suggestions);
    const wrong = sheet.refusal?.problems?.map(({ index }) => index).filter(Number.isInteger) ?? [];
    this.bench.load(marks && isSame(marks.toJSON(), content) ? marks : new Marks(content), { wrong });
    byId("comment-box").open = Boolean(content.comment);
    this.cover.lower();
    this.#checkText(sheet);
    byId("text-column").scrollTop = 0;
    scrollTo(0, 0);
    showSaved("");
    this.focus();
    if (sheet.isUnsaved || (kept && isOurs)) this.#draft.changed();
    else if (kept && !isSame(kept.content, sheet.marked)) this.#offer(kept);
    if (sheet.refusal) announce(sheet.refusal.message, { isShown: true });
  }

  // The sheet leaves to be submitted or skipped.
  take() {
    const { marks } = this.bench;
    const draft = this.#draft;
    this.sheet = null;
    return { marked: marks.toJSON(), verdict: marks.verdict, marks, draft };
  }

  // The sheet leaves to be shown again, with what is marked on it.
  putAside() {
    const { sheet } = this;
    sheet.marked = this.bench.marks.toJSON();
    this.#aside.set(sheet, this.bench.marks);
    this.#draft.leave();
    this.sheet = null;
    return sheet;
  }

  // Nothing to show yet. Most often it comes before anybody could read that.
  wait() {
    this.form.inert = true;
    this.form.setAttribute("aria-busy", "true");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.nothing("waiting"), PATIENCE_MS);
  }

  nothing(why) {
    clearTimeout(this.#timer);
    this.form.hidden = true;
    const nothing = byId("nothing");
    nothing.hidden = false;
    const wanted = nothing.querySelector(`[data-why="${why || "nothing_left"}"]`);
    for (const each of nothing.querySelectorAll("[data-why]")) each.hidden = each !== wanted;
    wanted.querySelector("h1").focus();
  }

  focus() {
    (this.cover.isDown ? byId("uncover") : this.output).focus({ preventScroll: true });
  }

  #wake() {
    clearTimeout(this.#timer);
    this.form.inert = this.form.hidden = false;
    this.form.removeAttribute("aria-busy");
    byId("nothing").hidden = true;
  }

  #draftOf(sheet) {
    return new Draft({
      server: this.server,
      sheet,
      content: () => (this.sheet === sheet ? this.bench.marks.toJSON() : sheet.marked),
      onState: (text, isWrong) => this.sheet === sheet && showSaved(text, isWrong),
      onConflict: (answer) => this.#choose(sheet, answer),
    });
  }

  async #choose(sheet, { message, marked }) {
    const mine = this.sheet === sheet ? this.bench.marks.toJSON() : sheet.marked;
    const choice = await this.choice.ask({ message, theirs: marked, mine, text: sheets.textOf(sheet.output) });
    if (choice === "theirs" && this.sheet === sheet) this.bench.marks.replace(marked);
    return choice;
  }

  // This browser kept marks, and the server has others by now.
  async #offer({ content }) {
    const { sheet } = this;
    const message = "This browser kept marks on this output, and it was changed in another tab or on another device.";
    const text = sheets.textOf(sheet.output);
    const choice = await this.choice.ask({ message, theirs: sheet.marked, mine: content, text });
    if (this.sheet !== sheet) return;
    if (choice === "mine") this.bench.marks.replace(content);
    else this.#draft.settle();
  }

  // Marks are places in the stored text. A page that shows another text must not send any.
  #checkText({ length }) {
    const isSound = this.reader.length === length;
    byId("send").disabled = !isSound;
    if (!isSound) announce(CHANGED_TEXT, { isShown: true });
  }

  #moved(says) {
    this.#showTarget();
    if (says) announce(says);
  }

  #render() {
    const { marks, isOmitting } = this.bench;
    this.#showTarget();
    this.suggestions.refresh();
    byId("omission")?.setAttribute("aria-pressed", isOmitting);
    byId("tags").classList.toggle("is-armed", isOmitting);
    for (const button of this.form.querySelectorAll(".work-verdicts [name=verdict]")) {
      button.setAttribute("aria-pressed", marks.state.verdict === button.value && !marks.violations.length);
    }
    byId("send-label").textContent = marks.verdict ? `Submit “${said(marks.verdict)}”` : "Submit";
    if (byId("comment").value !== marks.state.comment) byId("comment").value = marks.state.comment;
  }

  #showTarget() {
    const target = byId("target");
    const { selection } = this.reader;
    if (this.bench?.isOmitting) return target.replaceChildren("Now choose the tag of what is missing.");
    if (!selection) return target.replaceChildren("On the whole output, until words are selected.");
    return target.replaceChildren("On ", element("q", this.reader.excerpt(selection)));
  }
}

const isSamePlace = (one, other) => ["tag", "scope", "start", "end"].every((name) => one[name] === other[name]);
