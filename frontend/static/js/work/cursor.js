// Where the annotator is in the text: a place (a word or one character), a selection that grows from an anchor, or the
// edge of a span that is being moved. UTF-16 units. `side` is the end of the selection that moves.

import { countBefore, indexAt, snap } from "./tokens.js";

export class Cursor extends EventTarget {
  #anchor = null; // what stays selected while the other side moves
  #column = null; // where lines are walked up and down, as long as nothing else is done

  // `lineOf(index, direction, column)` finds the word above or below: { index, column }; `isWhole(span)` says whether a
  // span can be marked.
  constructor(tokens, { lineOf, isWhole }) {
    super();
    Object.assign(this, { tokens, lineOf, isWhole, place: null, selection: null, side: "end", edge: null });
    this.isInView = false; // whether the last change was where one looks: by a pointer, or without moving
  }

  get words() {
    return this.tokens.words;
  }

  // One word on (1) or back (-1), or one character when `isExact`.
  step(by, { isExact = false, isExtending = false } = {}) {
    if (!this.words.length) return;
    const move = isExact ? this.#byCharacter(by) : byTokens(this.words, by);
    if (this.edge) this.#moveEdge(move(this.#edgeUnit, this.edge.side));
    else if (isExtending) this.#extend(by, move, isExact);
    else this.#go(isExact ? this.#characterBeside(by) : this.#wordBeside(by));
  }

  line(direction, { isExtending = false } = {}) {
    if (!this.words.length) return;
    const { index, column } = this.lineOf(this.#wordAtHead(), direction, this.#column);
    const word = this.words[index];
    if (this.edge) this.#moveEdge(word[this.edge.side]);
    else if (isExtending) this.#extendTo(word);
    else this.#go(this.place ? word : this.words[0]); // the first arrow only shows the cursor
    this.#column = column;
  }

  sentence(by) {
    const { sentences } = this.tokens;
    if (!this.words.length || !sentences.length) return;
    if (this.edge) return this.#moveEdge(byTokens(sentences, by)(this.#edgeUnit, this.edge.side));
    const now = countBefore(sentences, (this.place?.start ?? -1) + 1) - 1;
    const next = Math.min(Math.max(now + by, 0), sentences.length - 1);
    this.#go(this.words[indexAt(this.words, sentences[next].start)]);
  }

  selectSentence() {
    const { sentences } = this.tokens;
    if (!this.words.length || !sentences.length) return;
    const now = countBefore(sentences, (this.place?.start ?? 0) + 1) - 1;
    this.select(sentences[Math.max(now, 0)], { isExact: true });
  }

  // The span's words, or exactly its characters.
  select(span, { isExact = false, isInView = false } = {}) {
    const wanted = isExact ? span : snap(this.words, span);
    if (!wanted || wanted.start >= wanted.end) return;
    const { start, end } = wanted;
    if (!this.#mark({ start, end }, "end", isInView)) return;
    const first = this.words[indexAt(this.words, start)] ?? wanted;
    this.#anchor = { start, end: Math.max(Math.min(first.end, end), start + 1) };
    this.place = first;
  }

  // A click puts the cursor on a word; the next one selects up to the word it is on.
  click(unit, { isSecond }) {
    const word = this.words[indexAt(this.words, unit)];
    if (!word || unit < word.start || unit >= word.end) return this.clear();
    if (!isSecond || !this.place) return this.#go(word, { isInView: true });
    const span = { start: Math.min(word.start, this.place.start), end: Math.max(word.end, this.place.end) };
    return this.select(span, { isExact: true, isInView: true });
  }

  clear() {
    this.#go(null);
  }

  deselect() {
    this.#go(this.place, { isInView: true });
  }

  // Escape: lets go of an edge, then of the selection, then of the cursor.
  escape() {
    if (this.edge) this.letGo();
    else if (this.selection) this.deselect();
    else this.clear();
  }

  take(side, { span, id }) {
    const isSame = this.edge?.side === side && this.edge.id === id;
    this.edge = isSame ? null : { side, span, id };
    this.side = side;
    this.#changed(false);
  }

  letGo() {
    this.edge = null;
    this.#changed(false);
  }

  // Puts the edge of a span at a unit, as far as the span keeps a character.
  moveEdge(held, side, unit) {
    this.edge = { side, ...held };
    this.#moveEdge(unit, true);
    this.edge = null;
  }

  get #edgeUnit() {
    return this.edge.span[this.edge.side];
  }

  #moveEdge(unit, isInView = false) {
    const { side, id, span } = this.edge;
    if (unit === null) return;
    const { tokens } = this;
    const kept =
      side === "start" ? Math.min(unit, tokens.before(span.end)) : Math.max(unit, tokens.after(span.start));
    const wanted = { ...span, [side]: kept };
    if (kept === span[side]) return;
    if (id !== null) {
      if (!this.isWhole(wanted)) return void this.dispatchEvent(new Event("refused"));
      this.edge.span = wanted;
      this.isInView = isInView;
      this.dispatchEvent(new CustomEvent("edge", { detail: { id, side, span: wanted } }));
    } else if (this.#mark(wanted, side, isInView, { ...this.edge, span: wanted })) {
      this.#anchor = this.#lastOf(wanted, side);
      this.place = this.words[this.#wordAtHead()];
    }
  }

  #byCharacter(by) {
    return (unit) => (by > 0 ? this.tokens.after(unit) : this.tokens.before(unit));
  }

  #wordBeside(by) {
    if (!this.place) return this.words[0];
    const index = by > 0 ? countBefore(this.words, this.place.end) : countBefore(this.words, this.place.start) - 1;
    return this.words[index] ?? this.place;
  }

  // A word stands on its first character.
  #characterBeside(by) {
    const { tokens } = this;
    const now = tokens.characterAt((this.place ?? this.words[0]).start);
    if (!this.place) return now;
    const end = by > 0 ? tokens.after(now.end) : now.start;
    const start = tokens.before(end);
    return start < end ? { start, end } : now;
  }

  // The first step selects what the cursor is on.
  #extend(by, move, isExact) {
    if (!this.#anchor || !this.selection) return this.#begin(by, isExact);
    if (isExact) this.#anchor = this.#firstOf(this.#anchor);
    const outward = this.side === "end" ? 1 : -1;
    let head = move(this.selection[this.side], this.side);
    let { side } = this;
    const isPast = side === "end" ? head === null || head <= this.#anchor.start : head === null || head >= this.#anchor.end;
    if (by !== outward && isPast) {
      side = side === "end" ? "start" : "end";
      head = move(this.#anchor[side], side);
    }
    this.#reach(head ?? this.#anchor[side], side, isExact);
  }

  #begin(by, isExact) {
    const from = this.place ?? this.words[0];
    this.#anchor = isExact ? this.tokens.characterAt(from.start) : from;
    const side = by > 0 ? "end" : "start";
    this.#reach(this.#anchor[side], side, isExact);
  }

  #extendTo(word) {
    if (!this.selection || !this.#anchor) this.#anchor = this.place ?? this.words[0];
    const side = word.end > this.#anchor.start ? "end" : "start";
    this.#reach(word[side], side);
  }

  // The selection from the anchor to a unit.
  #reach(unit, side, isExact = false) {
    const anchor = this.#anchor;
    const span =
      side === "end"
        ? { start: anchor.start, end: Math.max(unit, anchor.end) }
        : { start: Math.min(unit, anchor.start), end: anchor.end };
    if (!this.#mark(span, side)) return;
    this.#anchor = anchor;
    this.place = isExact ? this.#lastOf(span, side === "end" ? "start" : "end") : this.words[this.#wordAtHead()];
  }

  // The anchor's part that single characters grow from.
  #firstOf(anchor) {
    return this.#lastOf({ ...anchor, ...this.selection, [this.side]: anchor[this.side] }, this.side);
  }

  // The character of a span that is farthest from the side that moves.
  #lastOf({ start, end }, side) {
    return side === "end" ? { start, end: this.tokens.after(start) } : { start: this.tokens.before(end), end };
  }

  // The index of the word where the edge, the selection or the cursor moves on.
  #wordAtHead() {
    const { edge, selection, side, place } = this;
    const span = edge?.span ?? selection ?? place;
    if (!span) return 0;
    const isEnd = (edge?.side ?? (selection ? side : "start")) === "end";
    return indexAt(this.words, isEnd ? span.end - 1 : span.start);
  }

  #go(place, { isInView = false } = {}) {
    this.place = place;
    this.#anchor = null;
    this.selection = null;
    this.edge = null;
    this.#changed(isInView);
  }

  #mark(span, side, isInView = false, edge = null) {
    if (!this.isWhole(span)) {
      this.dispatchEvent(new Event("refused"));
      return false;
    }
    Object.assign(this, { selection: span, side, edge });
    this.#changed(isInView);
    return true;
  }

  #changed(isInView) {
    this.isInView = isInView;
    this.#column = null;
    this.dispatchEvent(new Event("change"));
  }
}

// From one boundary of a token to the next one of its kind: a token's start for a span's start, its end for an end.
function byTokens(tokens, by) {
  return (unit, side) => {
    if (side === "start") return tokens[by > 0 ? countBefore(tokens, unit + 1) : countBefore(tokens, unit) - 1]?.start ?? null;
    const first = indexAt(tokens, unit); // the first that ends after unit
    if (by > 0) return tokens[first].end > unit ? tokens[first].end : null;
    const before = tokens[first].end > unit ? first - 1 : first;
    return (tokens[before]?.end < unit ? tokens[before] : tokens[before - 1])?.end ?? null;
  };
}
