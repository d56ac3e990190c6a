// What is being marked on the sheet that is shown: violations, the verdict, and which violation keys act on.

import { List } from "./list.js";
import { Marks } from "./marks.js";
import { said } from "./summary.js";

const ARMED = "Omission: now choose the tag of what is missing.";

export class Bench extends EventTarget {
  current = null; // the violation that keys act on
  isOmitting = false;
  #onMarks = () => this.#changed();

  // Events: "change" (anything to show), "marked" (something to save), "said" with { text, isShown } as detail.
  constructor({ reader, root, template, tags }) {
    super();
    Object.assign(this, { reader, tags: new Map(tags.map((tag) => [tag.slug, tag])) });
    this.marks = new Marks({ violations: [], verdict: "", comment: "" });
    this.list = new List({
      root,
      template,
      nameOf: (violation) => this.tagOf(violation),
      quoteOf: (violation) => reader.excerpt(violation),
      onPick: (id) => this.pick(id),
      onRemove: (id) => this.remove(id),
      onUpdate: (...update) => this.marks.update(...update),
    });
  }

  load(marks, { wrong = [] } = {}) {
    this.marks.removeEventListener("change", this.#onMarks);
    this.marks = marks;
    this.marks.addEventListener("change", this.#onMarks);
    this.isOmitting = false;
    this.current = (marks.violations[wrong[0]] ?? marks.violations.at(-1))?.id ?? null;
    this.list.load(new Set(wrong.map((index) => marks.violations[index]?.id)));
    this.refresh();
  }

  get isMarked() {
    return this.marks.hasContent;
  }

  tagOf({ tag }) {
    return this.tags.get(tag) ?? { slug: tag, name: `${tag} (no longer in the tag set)`, severity_rule: "optional" };
  }

  apply(slug) {
    const tag = this.tags.get(slug);
    const span = this.#whereTo(tag);
    if (!span) return this.#say(`Select the wrong words first: “${tag.name}” needs them.`, { isShown: true });
    const severity = tag.severity_rule === "required" ? "major" : "";
    this.take({ tag: slug, severity, ...span });
  }

  // Marks what is known to the last detail.
  take(violation) {
    const tag = this.tagOf(violation);
    this.isOmitting = false;
    this.current = this.marks.add(violation);
    this.reader.deselect();
    this.refresh();
    this.list.reveal(this.current);
    this.#say(`${tag.name}, ${this.#describe(this.marks.find(this.current))}. Violation ${this.marks.violations.length}.`);
  }

  pick(id) {
    if (this.current === id) return;
    this.current = id;
    this.refresh();
  }

  remove(id = this.current) {
    const { violations } = this.marks;
    const index = violations.findIndex((each) => each.id === id);
    if (index < 0) return this.#say("There is no violation to remove.");
    this.current = (violations[index + 1] ?? violations[index - 1])?.id ?? null;
    this.marks.remove(id);
    this.#say(`${this.tagOf(violations[index]).name} removed.`);
    if (document.activeElement === document.body) this.reader.root.focus({ preventScroll: true });
  }

  setSeverity(wanted) {
    const violation = this.marks.find(this.current);
    if (!violation) return this.#say("There is no violation to grade yet.");
    const { name, severity_rule } = this.tagOf(violation);
    if (severity_rule === "none") return this.#say(`“${name}” has no severity.`);
    const severity = violation.severity === wanted ? "critical" : wanted;
    this.marks.update(this.current, { severity });
    this.#say(severity);
  }

  // A mark was clicked: a first click picks it, the next ones turn its severity.
  turn(id, next) {
    const violation = this.marks.find(id);
    this.current = id;
    const { name, severity_rule } = this.tagOf(violation);
    if (severity_rule === "none") return this.refresh();
    const severity = next(violation.severity);
    this.marks.update(id, { severity });
    this.#say(`${name}: ${severity}`);
  }

  moveEdge(id, span, side) {
    this.marks.update(id, span, `edge ${side}`);
  }

  startOmission() {
    this.isOmitting = !this.isOmitting;
    this.#say(this.isOmitting ? ARMED : "No omission.");
    this.refresh();
  }

  edit(field) {
    if (!this.marks.find(this.current)) return this.#say("Mark a violation first.");
    this.refresh();
    this.list.focusField(this.current, field);
  }

  setVerdict(verdict) {
    const { violations, state } = this.marks;
    if (violations.length) {
      return this.#say("There are violations. Remove them first, or submit as rejected.", { isShown: true });
    }
    this.marks.setVerdict(state.verdict === verdict ? "" : verdict);
    this.#say(this.marks.state.verdict ? `${said(verdict)}. Ctrl+Enter submits.` : "No verdict.");
  }

  clear() {
    this.isOmitting = false;
    this.refresh();
  }

  refresh() {
    if (!this.marks.find(this.current)) this.current = this.marks.violations.at(-1)?.id ?? null;
    this.list.show(this.marks.violations, this.current);
    this.reader.show(this.marks.violations, this.current);
    this.dispatchEvent(new Event("change"));
  }

  #changed() {
    this.refresh();
    this.dispatchEvent(new Event("marked"));
  }

  // Scope and span of a violation of this tag as things stand; null when the tag needs words and none are selected.
  #whereTo(tag) {
    const { selection, place } = this.reader;
    if (this.isOmitting) return { scope: "omission", ...(place === null ? {} : { start: place, end: place }) };
    if (selection && tag.span_rule !== "none") return { scope: "span", ...selection };
    return tag.span_rule === "required" ? null : { scope: "whole" };
  }

  #describe({ scope, severity, ...span }) {
    const about = scope === "span" ? `“${this.reader.excerpt(span)}”` : { whole: "whole output", omission: "omission" }[scope];
    return severity ? `${about}, ${severity}` : about;
  }

  #say(text, { isShown = false } = {}) {
    this.dispatchEvent(new CustomEvent("said", { detail: { text, isShown } }));
  }
}
