// Paints spans over the text without touching it, where the browser can; elsewhere wraps stretches in <mark>.
// Names later in NAMES lie over earlier ones.

export const NAMES = ["unset", "minor", "major", "critical", "omission", "current", "cursor", "selection"];

// `groups` maps a name to [[start, end], ...] in UTF-16 units; names not in it are cleared.
export function makePainter(map) {
  return globalThis.CSS?.highlights && globalThis.Highlight ? new HighlightPainter(map) : new MarkPainter(map);
}

class HighlightPainter {
  constructor(map) {
    this.map = map;
  }

  paint(groups) {
    NAMES.forEach((name, priority) => {
      const ranges = (groups[name] ?? []).map(([start, end]) => this.map.range(start, end));
      const highlight = new Highlight(...ranges);
      highlight.priority = priority;
      CSS.highlights.set(`work-${name}`, highlight);
    });
  }
}

class MarkPainter {
  constructor(map) {
    this.map = map;
    this.plain = [...map.root.childNodes].map((node) => node.cloneNode(true));
    this.shown = "";
  }

  paint(groups) {
    const wanted = JSON.stringify(groups);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.map.root.replaceChildren(...this.plain.map((node) => node.cloneNode(true)));
    this.map.refresh();
    for (const { start, end, names } of stretches(groups)) this.#wrap(start, end, names);
    this.map.refresh();
  }

  #wrap(start, end, names) {
    for (const [index, node] of [...this.map.nodes].entries()) {
      const at = this.map.starts[index];
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, node.length);
      if (from >= to) continue;
      const middle = from ? node.splitText(from) : node;
      if (to - from < middle.length) middle.splitText(to - from);
      const mark = document.createElement("mark");
      mark.className = names.map((name) => `work-${name}`).join(" ");
      middle.replaceWith(mark);
      mark.append(middle);
    }
    this.map.refresh();
  }
}

// The groups cut at every boundary: neighbouring stretches, each with the names that cover it.
function stretches(groups) {
  const spans = NAMES.flatMap((name) => (groups[name] ?? []).map(([start, end]) => ({ name, start, end })));
  const cuts = [...new Set(spans.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  return cuts.slice(0, -1).flatMap((start, index) => {
    const end = cuts[index + 1];
    const names = spans.filter((span) => span.start <= start && span.end >= end).map(({ name }) => name);
    return names.length ? [{ start, end, names: [...new Set(names)] }] : [];
  });
}
