// The text under judgment: where the annotator is in it, what is selected, and the marks painted over it.
//
//   const reader = new Reader(root, { onMove, onPick, onEdge, onRefused, onReveal });
//   reader.load({ language });                 after the root's content was put there; again for every next text
//   reader.load({ language, text, runs });     a view of `text` whose text nodes hold parts of it: runs are
//                                              [{ node, start, length }], start in UTF-16 units of `text`; text nodes
//                                              in no run show something that the text does not say (see textmap.js)
//   reader.show(violations, current);          the marks, whenever they changed; current is an id or null
//   reader.act("right");                       does what the action of keymap.js says; false when it is not the reader's
//   reader.dispose();                          takes every listener and mark away
//
// Outside, places are code points of the stored text: reader.selection is {start, end} or null, reader.place is where
// an omission would be (or null), reader.quote({start, end}), reader.excerpt({start, end}) (its beginning and end, where
// it is long), reader.length, reader.text.
// reader.deselect() forgets the selection and keeps the cursor.
//
//   onMove(says)               cursor or selection changed; `says` is what to announce ("" when nothing is to be said)
//   onPick(id)                 the mark of this violation was clicked
//   onEdge(id, span, side)     this violation's "start" or "end" was moved: span is its new {start, end}
//   onRefused(says)            why nothing happened, in one sentence
//   onReveal(range)            this DOM range should be scrolled into view

import { Cursor } from "./cursor.js";
import { Handles } from "./handles.js";
import { makePainter } from "./highlights.js";
import { nearestInLine } from "./lines.js";
import { Offsets } from "./offsets.js";
import { marksOf, innermostAt } from "./paint.js";
import { listen } from "./pointer.js";
import { TextMap } from "./textmap.js";
import { Tokens, isRightToLeft, snap } from "./tokens.js";

const NOTHING = () => {};
const SAID_AT_MOST = 120; // UTF-16 units; more is no help to somebody who listens
const SHOWN_AT_MOST = 600;

export class Reader {
  #listening = new AbortController();
  #violations = [];
  #current = null;

  constructor(root, { onMove = NOTHING, onPick = NOTHING, onEdge = NOTHING, onRefused = NOTHING, onReveal = NOTHING } = {}) {
    Object.assign(this, { root, onMove, onPick, onEdge, onRefused, onReveal });
    this.handles = new Handles(this, this.#listening.signal);
    this.load();
    this.endClick = listen(this, this.#listening.signal);
  }

  load({ language = "", text, runs } = {}) {
    this.painter?.clear();
    this.map = new TextMap(this.root, { text, runs });
    this.text = this.map.text;
    this.offsets = new Offsets(this.text);
    this.tokens = new Tokens(this.map, language);
    this.painter = makePainter(this.map);
    this.cursor = new Cursor(this.tokens, {
      lineOf: (...from) => nearestInLine(this.map, this.tokens.words, ...from),
      isWhole: (span) => this.map.isWhole(span),
    });
    this.cursor.addEventListener("change", () => this.#moved());
    this.cursor.addEventListener("edge", ({ detail: { id, side, span } }) => {
      this.onEdge(id, this.toPoints(span), side);
      this.#moved();
    });
    this.cursor.addEventListener("refused", () => this.refuse());
    this.#violations = [];
    this.#current = null;
    this.endClick?.();
    this.handles.hide();
    this.#prepare(this.tokens);
  }

  // Words of a long text take a while to find: best before the first key asks for them.
  #prepare(tokens) {
    if (!globalThis.requestIdleCallback) return;
    requestIdleCallback(() => tokens === this.tokens && tokens.words);
  }

  dispose() {
    this.#listening.abort();
    this.painter.clear();
    this.handles.remove();
  }

  get length() {
    return this.offsets.points;
  }

  get selection() {
    return this.cursor.selection && this.toPoints(this.cursor.selection);
  }

  get place() {
    const at = this.cursor.selection?.start ?? this.cursor.place?.start;
    return at === undefined ? null : this.offsets.toPoints(at);
  }

  quote({ start, end }) {
    return start === null ? "" : this.text.slice(this.offsets.toUnits(start), this.offsets.toUnits(end));
  }

  excerpt({ start, end }) {
    return start === null ? "" : shortened(this.tokens, this.toUnits({ start, end }), SHOWN_AT_MOST);
  }

  show(violations, current = null) {
    this.#violations = violations;
    this.#current = current;
    const { edge } = this.cursor;
    const held = edge?.id && violations.find(({ id }) => id === edge.id);
    if (held && current === edge.id && held.scope === "span") edge.span = this.toUnits(held);
    else if (edge?.id) this.cursor.letGo();
    this.#paint();
  }

  deselect() {
    this.endClick();
    this.cursor.deselect();
  }

  // Selects these words, in view.
  look(span) {
    this.endClick();
    this.cursor.select(this.toUnits(span), { isExact: true });
  }

  act(name) {
    const action = ACTIONS[name];
    if (!action) return false;
    this.endClick();
    action(this, this.#forward);
    return true;
  }

  // Takes hold of an edge: of the selection, or else of the violation that keys act on.
  take(side) {
    const violation = this.#violations.find(({ id, scope }) => id === this.#current && scope === "span");
    if (this.cursor.selection) this.cursor.take(side, { span: this.cursor.selection, id: null });
    else if (violation) this.cursor.take(side, { span: this.toUnits(violation), id: violation.id });
    else this.onRefused("Select words or pick a violation first, then move its edges.");
  }

  // What the handles hang on: the selection, or else the violation that keys act on.
  get held() {
    if (this.cursor.selection) return { span: this.cursor.selection, id: null };
    const violation = this.#violations.find(({ id, scope }) => id === this.#current && scope === "span");
    return violation ? { span: this.toUnits(violation), id: violation.id } : null;
  }

  // The innermost violation whose span is over a UTF-16 unit of the text.
  markedAt(unit) {
    return innermostAt(this.#violations, this.offsets.toPoints(unit), this.#current);
  }

  snapped(span) {
    return snap(this.tokens.words, span);
  }

  refuse() {
    this.onRefused("This part of the view is not written so in the text, so it cannot be marked here; mark it in the raw view.");
  }

  // Each paragraph runs in the direction of its first letter.
  get #forward() {
    const unit = this.cursor.edge?.span.start ?? this.cursor.place?.start ?? 0;
    return isRightToLeft(this.text, unit) ? -1 : 1;
  }

  toPoints({ start, end }) {
    return { start: this.offsets.toPoints(start), end: this.offsets.toPoints(end) };
  }

  toUnits({ start, end }) {
    return { start: this.offsets.toUnits(start), end: this.offsets.toUnits(end) };
  }

  #moved() {
    this.#paint();
    this.handles.place();
    const { selection, place, edge, isInView } = this.cursor;
    const span = edge?.span ?? selection ?? place;
    if (!span) return this.onMove("");
    if (!isInView) this.onReveal(this.map.range(...this.#headOf(span)));
    const said = shortened(this.tokens, span, SAID_AT_MOST);
    if (edge) return this.onMove(`${edge.side} moves: ${said}`);
    return this.onMove(selection ? `${said}, selected` : said);
  }

  // What must stay in view of a long selection is the end that moves.
  #headOf({ start, end }) {
    const { selection, edge, side } = this.cursor;
    if (!selection && !edge) return [start, end];
    return (edge?.side ?? side) === "start" ? [start, this.tokens.after(start)] : [this.tokens.before(end), end];
  }

  #paint() {
    const { cursor, offsets } = this;
    this.painter.paint(marksOf({ violations: this.#violations, current: this.#current, cursor, offsets }));
  }
}

const ACTIONS = {
  left: ({ cursor }, forward) => cursor.step(-forward),
  right: ({ cursor }, forward) => cursor.step(forward),
  up: ({ cursor }) => cursor.line(-1),
  down: ({ cursor }) => cursor.line(1),
  extendLeft: ({ cursor }, forward) => cursor.step(-forward, { isExtending: true }),
  extendRight: ({ cursor }, forward) => cursor.step(forward, { isExtending: true }),
  extendUp: ({ cursor }) => cursor.line(-1, { isExtending: true }),
  extendDown: ({ cursor }) => cursor.line(1, { isExtending: true }),
  characterLeft: ({ cursor }, forward) => cursor.step(-forward, { isExact: true }),
  characterRight: ({ cursor }, forward) => cursor.step(forward, { isExact: true }),
  extendCharacterLeft: ({ cursor }, forward) => cursor.step(-forward, { isExact: true, isExtending: true }),
  extendCharacterRight: ({ cursor }, forward) => cursor.step(forward, { isExact: true, isExtending: true }),
  nextSentence: ({ cursor }) => cursor.sentence(1),
  previousSentence: ({ cursor }) => cursor.sentence(-1),
  sentence: ({ cursor }) => cursor.selectSentence(),
  startEdge: (reader) => reader.take("start"),
  endEdge: (reader) => reader.take("end"),
  clear: ({ cursor }) => cursor.escape(),
};

// Never cut inside a character.
function shortened(tokens, { start, end }, most) {
  const { text } = tokens;
  if (end - start <= most) return text.slice(start, end);
  return `${text.slice(start, tokens.before(start + most / 2))} … ${text.slice(tokens.after(end - most / 2), end)}`;
}
