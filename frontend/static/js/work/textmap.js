// Between the text nodes of an element and offsets in its text, in UTF-16 units.

export class TextMap {
  constructor(root) {
    this.root = root;
    this.text = root.textContent;
    this.refresh();
  }

  // To be called after the nodes (never the text) have changed.
  refresh() {
    this.nodes = [];
    this.starts = [];
    const walker = document.createTreeWalker(this.root, NodeFilter.SHOW_TEXT);
    let at = 0;
    while (walker.nextNode()) {
      this.nodes.push(walker.currentNode);
      this.starts.push(at);
      at += walker.currentNode.length;
    }
  }

  range(start, end) {
    const range = document.createRange();
    range.setStart(...this.#point(start, false));
    range.setEnd(...this.#point(end, true));
    return range;
  }

  // The offset of a position in the document, clamped into the text.
  offset(node, inNode) {
    if (!this.root.contains(node)) {
      return this.root.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING ? 0 : this.text.length;
    }
    const range = document.createRange();
    range.selectNodeContents(this.root);
    range.setEnd(node, inNode);
    return range.toString().length;
  }

  // The index of the character under a point of the window, or -1.
  characterAt(x, y) {
    const caret = document.caretPositionFromPoint?.(x, y) ?? fromRange(document.caretRangeFromPoint?.(x, y));
    if (!caret || !this.root.contains(caret.offsetNode)) return -1;
    const offset = this.offset(caret.offsetNode, caret.offset);
    for (const at of [offset, offset - 1]) {
      if (at < 0 || at >= this.text.length) continue;
      if ([...this.range(at, at + 1).getClientRects()].some((rect) => holds(rect, x, y))) return at;
    }
    return -1;
  }

  // Between two nodes, a range begins in the later one and ends in the earlier one.
  #point(offset, isEnd) {
    let index = this.starts.findLastIndex((start) => (isEnd ? start < offset : start <= offset));
    index = Math.max(index, 0);
    const node = this.nodes[index];
    return node ? [node, Math.min(offset - this.starts[index], node.length)] : [this.root, 0];
  }
}

const fromRange = (range) => range && { offsetNode: range.startContainer, offset: range.startOffset };
const holds = (rect, x, y) => x >= rect.left - 1 && x <= rect.right + 1 && y >= rect.top && y <= rect.bottom;
