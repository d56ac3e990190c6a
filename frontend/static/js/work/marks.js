// What the annotator has marked: immutable states with undo and redo. Spans are in code points, as they are stored.

const UNDO_LIMIT = 200;

export class Marks extends EventTarget {
  #past = [];
  #future = [];
  #mergeKey = "";
  #nextId = 1;

  constructor({ violations, verdict, comment }) {
    super();
    this.state = { violations: violations.map((each) => this.#withId(each)), verdict: chosen(verdict), comment };
  }

  get violations() {
    return this.state.violations;
  }

  find(id) {
    return this.violations.find((each) => each.id === id);
  }

  add(violation) {
    const made = this.#withId(violation);
    this.#change({ violations: [...this.violations, made], verdict: "" });
    return made.id;
  }

  // Typing into one field is one step to undo, however many letters it has.
  update(id, fields, mergeKey = "") {
    const violations = this.violations.map((each) => (each.id === id ? { ...each, ...fields } : each));
    this.#change({ violations }, mergeKey && `${id} ${mergeKey}`);
  }

  remove(id) {
    this.#change({ violations: this.violations.filter((each) => each.id !== id) });
  }

  setVerdict(verdict) {
    this.#change({ verdict });
  }

  setComment(comment) {
    this.#change({ comment }, "comment");
  }

  // Another version of everything; one step to undo.
  replace({ violations, verdict, comment }) {
    this.#change({ violations: violations.map((each) => this.#withId(each)), verdict: chosen(verdict), comment });
  }

  undo() {
    return this.#travel(this.#past, this.#future);
  }

  redo() {
    return this.#travel(this.#future, this.#past);
  }

  // What is rejected by having something wrong needs no further choice.
  get verdict() {
    if (this.violations.length) return "rejected";
    return this.state.verdict || (this.state.comment.trim() ? "rejected" : "");
  }

  get hasContent() {
    return Boolean(this.violations.length || this.state.verdict || this.state.comment);
  }

  toJSON() {
    const violations = this.violations.map(({ id, ...violation }) => violation);
    return { violations, verdict: this.state.verdict, comment: this.state.comment };
  }

  #withId(violation) {
    return { severity: "", start: null, end: null, critique: "", correction: "", ...violation, id: this.#nextId++ };
  }

  #change(fields, mergeKey = "") {
    if (!mergeKey || mergeKey !== this.#mergeKey) this.#past = [...this.#past, this.state].slice(-UNDO_LIMIT);
    this.#mergeKey = mergeKey;
    this.#future = [];
    this.state = { ...this.state, ...fields };
    this.dispatchEvent(new Event("change"));
  }

  #travel(from, to) {
    const state = from.pop();
    if (!state) return false;
    to.push(this.state);
    this.state = state;
    this.#mergeKey = "";
    this.dispatchEvent(new Event("change"));
    return true;
  }
}

// "rejected" is never chosen: it follows from what is marked.
export const chosen = (verdict) => (verdict === "rejected" ? "" : (verdict ?? ""));

export const SEVERITIES = ["minor", "major", "critical"];

export function nextSeverity(severity) {
  return SEVERITIES[(SEVERITIES.indexOf(severity) + 1) % SEVERITIES.length];
}
