// What the keyboard steps over: words (a mark of punctuation is one too), sentences and characters as people see them
// (grapheme clusters), as [start, end) in UTF-16 units. Worked out when first asked for: a long text takes a while.

const LOOSE = /[\p{L}\p{M}\p{N}_'’]+|\p{Extended_Pictographic}(?:\u200d\p{Extended_Pictographic}|[\ufe0f\p{EMod}])*|\S/gu;
const CLUSTER = /\P{M}(?:\p{M}|[\ufe0e\ufe0f\p{EMod}]|\u200d\P{M})*|\p{M}+/gu;
const BLANK = /^[^\S\ufeff\u2028\u2029]*$/u; // these three are blank to JavaScript, but the page shows them by name
const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

export class Tokens {
  #words = null;
  #sentences = null;
  #characters = null;

  constructor(map, language) {
    Object.assign(this, { map, text: map.text, language });
  }

  get words() {
    this.#words ??= this.#shown(words(this.text, this.language, this.map.cuts));
    return this.#words;
  }

  get sentences() {
    this.#sentences ??= this.#shown(sentences(this.text, this.language));
    return this.#sentences;
  }

  // The character that a unit belongs to.
  characterAt(unit) {
    this.#characters ??= characters(this.text, this.language);
    return this.#characters(unit);
  }

  // The next place between two characters after `unit`; what the view does not show is stepped over.
  after(unit) {
    let at = unit;
    while (at < this.text.length) {
      const { start, end } = this.characterAt(at);
      at = end;
      if (this.map.shows(start, end)) break;
    }
    return at;
  }

  before(unit) {
    let at = unit;
    while (at > 0) {
      const { start, end } = this.characterAt(at - 1);
      at = start;
      if (this.map.shows(start, end)) break;
    }
    return at;
  }

  // Without the parts at their ends that the view does not show.
  #shown(tokens) {
    if (this.map.isWholeText) return tokens;
    return tokens.flatMap((token) => this.map.clipped(token) ?? []);
  }
}

// `cuts`: where a word ends in any case, ascending.
export function words(text, language, cuts = []) {
  const found = [];
  let cut = 0;
  const put = (start, end) => BLANK.test(text.slice(start, end)) || found.push({ start, end });
  for (const { index, segment } of segments(text, language, "word")) {
    let start = index;
    while (cut < cuts.length && cuts[cut] <= start) cut++;
    for (; cut < cuts.length && cuts[cut] < index + segment.length; cut++) {
      put(start, cuts[cut]);
      start = cuts[cut];
    }
    put(start, index + segment.length);
  }
  return found;
}

export function sentences(text, language) {
  const found = [];
  for (const { index, segment } of segments(text, language, "sentence")) {
    const start = index + segment.length - segment.trimStart().length;
    const end = index + segment.trimEnd().length;
    if (start < end) found.push({ start, end });
  }
  return found;
}

function characters(text, language) {
  const found = segments(text, language, "grapheme");
  if (found.containing) {
    return (unit) => {
      const { index, segment } = found.containing(unit);
      return { start: index, end: index + segment.length };
    };
  }
  const all = found.map(({ index, segment }) => ({ start: index, end: index + segment.length }));
  return (unit) => all[indexAt(all, unit)];
}

// The index of the token at or after `unit`; the last one when there is none after it.
export function indexAt(tokens, unit) {
  return Math.min(countWhile(tokens, ({ end }) => end <= unit), tokens.length - 1);
}

// How many tokens begin before `unit`.
export function countBefore(tokens, unit) {
  return countWhile(tokens, ({ start }) => start < unit);
}

// The span widened to whole tokens, without the blanks around it; null when it touches none.
export function snap(tokens, { start, end }) {
  const first = tokens[countWhile(tokens, (token) => token.end <= start)];
  const last = tokens[countBefore(tokens, end) - 1];
  return first && last && first.start <= last.start ? { start: first.start, end: last.end } : null;
}

// Whether the paragraph around `unit` runs from right to left: its first letter says so.
export function isRightToLeft(text, unit) {
  const from = text.lastIndexOf("\n", unit - 1) + 1;
  const letter = LETTER.exec(text.slice(from, from + 1000))?.[0];
  return letter !== undefined && RIGHT_TO_LEFT.test(letter);
}

// How many of the first tokens satisfy `test`, which is true up to some token and false after it.
function countWhile(tokens, test) {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(tokens[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

function segments(text, language, granularity) {
  if (globalThis.Intl?.Segmenter) return segmenter(language, granularity).segment(text);
  const pattern = { word: LOOSE, sentence: /[^.!?\n]+[.!?\n]*/gu, grapheme: CLUSTER }[granularity];
  return Array.from(text.matchAll(pattern), (match) => ({ index: match.index, segment: match[0] }));
}

function segmenter(language, granularity) {
  try {
    return new Intl.Segmenter(language || undefined, { granularity });
  } catch {
    return new Intl.Segmenter(undefined, { granularity }); // not a language that this browser has heard of
  }
}
