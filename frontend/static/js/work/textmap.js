// Between the text nodes of an element and places in a text, in UTF-16 units.
//
// Without `runs` the element's text is the text. With them it shows parts of `text`: each run is {node, start, length},
// and text nodes in no run show something that the text does not say. A run that is a stand-in ({..., isStandIn: true})
// shows other characters for those of the text; a span may run over it, and begins or ends beside it or has it whole.

export class TextMap {
  constructor(root, { text, runs } = {}) {
    this.root = root;
    this.isWholeText = !runs;
    this.text = text ?? root.textContent;
    this.base = runs ? runs.filter(({ isStandIn }) => !isStandIn).sort((a, b) => a.start - b.start) : wholeRuns(root);
    this.standIns = new Map((runs ?? []).filter(({ isStandIn }) => isStandIn).map((run) => [run.node, run]));
    this.refresh();
    this.cuts = cutsOf(this.base);
  }

  // To be called after nodes were cut into pieces: a map from a node to the text nodes in its place.
  refresh(pieces = new Map()) {
    this.runs = this.base.flatMap((run) => piecesOf(run, pieces.get(run.node)));
    this.byNode = new Map(this.runs.map((run) => [run.node, run]));
    this.nodes = this.isWholeText ? this.runs.map(({ node }) => node) : textNodes(this.root);
  }

  range(start, end) {
    const range = document.createRange();
    const first = this.runs[Math.max(this.#countUpTo(start + 1) - 1, 0)];
    const last = this.runs[Math.max(this.#countUpTo(end) - 1, 0)];
    if (!first) {
      range.selectNodeContents(this.root);
      return range;
    }
    const isBetween = start >= first.start + first.length && start < end;
    const from = isBetween ? (this.runs[this.runs.indexOf(first) + 1] ?? first) : first;
    range.setStart(from.node, clamp(start - from.start, from.length));
    range.setEnd(last.node, clamp(end - last.start, last.length));
    return range;
  }

  // What a DOM range covers of the text: a span, null for nothing, false when a part of it is not in the text.
  span(range) {
    const from = this.#nodeAt(range.startContainer, range.startOffset, true);
    const to = this.#nodeAt(range.endContainer, range.endOffset, false);
    const parts = [];
    let isSaid = false;
    for (let index = from.index; index <= to.index; index++) {
      const node = this.nodes[index];
      const first = index === from.index ? from.offset : 0;
      const last = index === to.index ? to.offset : node.length;
      if (first >= last) continue;
      const run = this.byNode.get(node);
      const standIn = this.standIns.get(node);
      isSaid ||= Boolean(run);
      if (run) parts.push([run.start + first, run.start + last]);
      else if (standIn) parts.push([standIn.start, standIn.start + standIn.length]);
      else if (node.data.slice(first, last).trim()) return false;
      if (this.isWholeText && parts.length && index < to.index) index = to.index - 1; // nothing between can be amiss
    }
    if (!parts.length) return null;
    if (!isSaid) return false;
    const isInOrder = parts.every(([start], index) => index === 0 || start >= parts[index - 1][1]);
    return isInOrder && { start: parts[0][0], end: parts.at(-1)[1] };
  }

  // Whether the view shows a span in one stretch, with nothing in between that the text does not say.
  isWhole({ start, end }) {
    return this.isWholeText || Boolean(this.span(this.range(start, end)));
  }

  shows(start, end) {
    return this.isWholeText || this.clipped({ start, end }) !== null;
  }

  // The span without what the view does not show at its ends; null when it shows nothing of it.
  clipped({ start, end }) {
    const first = this.runs[this.#firstEndingAfter(start)];
    const last = this.runs[this.#countUpTo(end) - 1];
    if (!first || !last || first.start >= end || last.start + last.length <= start) return null;
    return { start: Math.max(start, first.start), end: Math.min(end, last.start + last.length) };
  }

  // The index of the character under a point of the window, -1 for none. `characterAt` gives the character of a unit.
  unitAt(x, y, characterAt) {
    const caret = document.caretPositionFromPoint?.(x, y) ?? fromRange(document.caretRangeFromPoint?.(x, y));
    const run = caret && this.byNode.get(caret.offsetNode);
    if (!run) return -1;
    for (const at of [caret.offset, caret.offset - 1]) {
      if (at < 0 || at >= run.length) continue;
      const { start, end } = characterAt(run.start + at);
      if ([...this.range(start, end).getClientRects()].some((rect) => holds(rect, x, y))) return start;
    }
    return -1;
  }

  // The place in the text nearest to a point of the window, or -1.
  caretAt(x, y) {
    const caret = document.caretPositionFromPoint?.(x, y) ?? fromRange(document.caretRangeFromPoint?.(x, y));
    const run = caret && this.byNode.get(caret.offsetNode);
    return run ? run.start + Math.min(caret.offset, run.length) : -1;
  }

  // A position in the document as a text node of ours and an offset in it: the first after it, or the last before it.
  #nodeAt(container, offset, isStart) {
    const known = this.nodes.indexOf(container);
    if (known >= 0) return { index: known, offset };
    const point = document.createRange();
    point.setStart(container, offset);
    const before = count(this.nodes.length, (index) => point.comparePoint(this.nodes[index], 0) < 0);
    return isStart ? { index: before, offset: 0 } : { index: before - 1, offset: this.nodes[before - 1]?.length ?? 0 };
  }

  // How many runs begin before `unit`.
  #countUpTo(unit) {
    return count(this.runs.length, (index) => this.runs[index].start < unit);
  }

  #firstEndingAfter(unit) {
    return count(this.runs.length, (index) => this.runs[index].start + this.runs[index].length <= unit);
  }
}

function wholeRuns(root) {
  let at = 0;
  return textNodes(root).map((node) => {
    const run = { node, start: at, length: node.length };
    at += node.length;
    return run;
  });
}

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

// Hidden characters are elements of their own; a word does not run across one.
function cutsOf(runs) {
  const hidden = runs.filter(({ node }) => node.parentNode.classList?.contains("hidden-character"));
  return hidden.flatMap(({ start, length }) => [start, start + length]);
}

function piecesOf(run, nodes) {
  if (!nodes) return [run];
  let { start } = run;
  return nodes.map((node) => {
    const piece = { node, start, length: node.length };
    start += node.length;
    return piece;
  });
}

// How many of the first `length` indexes satisfy `test`, which is true up to some index and false after it.
function count(length, test) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const clamp = (value, most) => Math.min(Math.max(value, 0), most);
const fromRange = (range) => range && { offsetNode: range.startContainer, offset: range.startOffset };
const holds = (rect, x, y) => x >= rect.left - 1 && x <= rect.right + 1 && y >= rect.top && y <= rect.bottom;
