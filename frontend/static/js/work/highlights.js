// Paints spans over the text without touching it, where the browser can; elsewhere wraps stretches in <mark>.
// Names later in NAMES lie over earlier ones. Marks are [{ key, name, start, end }, ...] in UTF-16 units.

const SEVERITIES = ["unset", "minor", "major", "critical"];
export const NAMES = [
  ...SEVERITIES,
  ...SEVERITIES.map((each) => `inner-${each}`),
  ...["omission", "current", "cursor", "selection", "edge"],
];

export function makePainter(map) {
  return globalThis.CSS?.highlights && globalThis.Highlight ? new HighlightPainter(map) : new MarkPainter(map);
}

class HighlightPainter {
  isLive = true; // nothing in the document changes, so the browser's own selection stays

  constructor(map) {
    this.map = map;
    this.painted = new Map();
    this.highlights = new Map();
  }

  // Only what changed since the last time costs anything.
  paint(marks) {
    const gone = new Map(this.painted);
    for (const mark of marks) {
      const before = this.painted.get(mark.key);
      gone.delete(mark.key);
      if (before && before.name === mark.name && before.start === mark.start && before.end === mark.end) continue;
      if (before) this.#take(before);
      this.#put(mark);
    }
    for (const mark of gone.values()) this.#take(mark);
  }

  clear() {
    for (const name of this.highlights.keys()) CSS.highlights.delete(`work-${name}`);
    this.highlights.clear();
    this.painted.clear();
  }

  #put({ key, name, start, end }) {
    const range = this.map.range(start, end);
    this.#named(name).add(range);
    this.painted.set(key, { key, name, start, end, range });
  }

  #take({ key, name, range }) {
    this.highlights.get(name).delete(range);
    this.painted.delete(key);
  }

  #named(name) {
    if (!this.highlights.has(name)) {
      const highlight = new Highlight();
      highlight.priority = NAMES.indexOf(name);
      CSS.highlights.set(`work-${name}`, highlight);
      this.highlights.set(name, highlight);
    }
    return this.highlights.get(name);
  }
}

class MarkPainter {
  isLive = false;

  constructor(map) {
    this.map = map;
    this.shown = "";
    this.pieces = new Map(); // a text node of the page to the nodes that stand in its place: [{ element, text }, ...]
  }

  paint(marks) {
    const wanted = JSON.stringify(marks);
    if (wanted === this.shown) return;
    this.clear();
    this.shown = wanted;
    const cuts = stretches(marks);
    for (const run of this.map.base) this.#wrap(run, cuts);
    this.map.refresh(new Map([...this.pieces].map(([node, made]) => [node, made.map(({ text }) => text)])));
  }

  clear() {
    for (const [node, made] of this.pieces) {
      made[0].element.before(node);
      for (const { element } of made) element.remove();
    }
    this.pieces.clear();
    this.map.refresh();
    this.shown = "";
  }

  #wrap({ node, start, length }, cuts) {
    const over = cuts.filter((cut) => cut.start < start + length && cut.end > start);
    if (!over.length) return;
    const made = [];
    let at = 0;
    const put = (to, names) => {
      if (to > at) made.push(piece(node.data.slice(at, to), names));
      at = Math.max(at, to);
    };
    for (const cut of over) {
      put(Math.max(cut.start - start, 0), []);
      put(Math.min(cut.end - start, length), cut.names);
    }
    put(length, []);
    node.before(...made.map(({ element }) => element));
    node.remove();
    this.pieces.set(node, made);
  }
}

function piece(data, names) {
  const text = document.createTextNode(data);
  if (!names.length) return { element: text, text };
  const element = document.createElement("mark");
  element.className = names.map((name) => `work-${name}`).join(" ");
  element.append(text);
  return { element, text };
}

// The marks cut at every boundary: neighbouring stretches, each with the names that cover it.
function stretches(marks) {
  const cuts = [...new Set(marks.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  return cuts.slice(0, -1).flatMap((start, index) => {
    const end = cuts[index + 1];
    const over = marks.filter((mark) => mark.start <= start && mark.end >= end).map(({ name }) => name);
    const names = NAMES.filter((name) => over.includes(name));
    return names.length ? [{ start, end, names }] : [];
  });
}
