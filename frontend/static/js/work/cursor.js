// Where the annotator is in the text: a cursor on one word, and a selection of characters. UTF-16 units.

import { indexAt, snap } from "./tokens.js";

export class Cursor extends EventTarget {
  constructor(map, words, sentences) {
    super();
    Object.assign(this, { map, words, sentences });
    this.index = null; // the word the cursor is on
    this.anchor = null; // the word where the selection began
    this.selection = null;
  }

  get word() {
    return this.index === null ? null : this.words[this.index];
  }

  move(step, isExtending) {
    if (!this.words.length) return;
    if (isExtending) return this.#extend(step(this.#startingIndex()));
    // The first arrow only shows the cursor.
    this.#go(this.index === null ? 0 : step(this.index));
  }

  sentence(by) {
    if (!this.words.length) return;
    const unit = this.word?.start ?? -1;
    const now = this.sentences.findLastIndex((sentence) => sentence.start <= unit);
    const next = Math.min(Math.max(now + by, 0), this.sentences.length - 1);
    this.#go(indexAt(this.words, this.sentences[next].start));
  }

  selectSentence() {
    if (!this.words.length) return;
    const unit = this.word?.start ?? 0;
    const sentence = this.sentences.findLast((each) => each.start <= unit) ?? this.sentences[0];
    this.index = indexAt(this.words, sentence.start);
    this.anchor = this.index;
    this.#select(sentence);
  }

  // By pointer: the span's words, or exactly its characters.
  select(span, { isExact = false } = {}) {
    const wanted = isExact ? span : snap(this.words, span);
    if (!wanted || wanted.start >= wanted.end) return;
    this.index = indexAt(this.words, wanted.start);
    this.anchor = this.index;
    this.#select(wanted);
  }

  // A click puts the cursor on a word; the next one selects up to the word it is on.
  click(unit, { isSecond }) {
    const index = this.words.findIndex((word) => word.start <= unit && unit < word.end);
    if (index < 0) return this.clear();
    if (isSecond && this.index !== null) {
      const [from, to] = [this.index, index].sort((a, b) => a - b);
      this.select({ start: this.words[from].start, end: this.words[to].end });
      return;
    }
    this.#go(index);
  }

  clear() {
    this.anchor = null;
    this.index = null;
    this.#select(null);
  }

  deselect() {
    this.anchor = null;
    this.#select(null);
  }

  by(count) {
    return (index) => Math.min(Math.max(index + count, 0), this.words.length - 1);
  }

  // The word nearest to this one in the line above or below.
  byLine(direction) {
    return (index) => {
      const here = this.#rect(index);
      let best = index;
      let line = null;
      for (let at = index + direction; at >= 0 && at < this.words.length; at += direction) {
        const rect = this.#rect(at);
        if (Math.abs(rect.top - here.top) < here.height / 2) continue;
        line ??= rect;
        if (Math.abs(rect.top - line.top) > line.height / 2) break;
        if (best === index || distance(rect, here) < distance(this.#rect(best), here)) best = at;
      }
      return best;
    };
  }

  #startingIndex() {
    return this.index ?? 0;
  }

  // The first step selects the word the cursor is on.
  #extend(next) {
    const from = this.#startingIndex();
    if (this.anchor === null) {
      this.anchor = from;
      this.index = from;
      if (Math.abs(next - from) > 1) this.index = next;
    } else {
      this.index = next;
    }
    const [first, last] = [this.anchor, this.index].sort((a, b) => a - b);
    this.#select({ start: this.words[first].start, end: this.words[last].end });
  }

  #go(index) {
    this.index = index;
    this.anchor = null;
    this.#select(null);
  }

  #select(span) {
    this.selection = span;
    this.dispatchEvent(new Event("change"));
  }

  #rect(index) {
    return this.map.range(this.words[index].start, this.words[index].end).getBoundingClientRect();
  }
}

const distance = (one, other) => Math.abs(one.left + one.width / 2 - other.left - other.width / 2);
