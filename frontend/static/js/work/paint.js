// What is painted where: a pure function of the marks and the cursor. Spans of the result are in UTF-16 units.

import { indexAt } from "./tokens.js";

// [{ key, name, start, end }, ...]: `key` stays the same while the thing that is painted does.
export function marksOf({ violations, current, cursor, offsets }) {
  const marks = [];
  const spans = violations.filter(({ scope, start }) => scope === "span" && start !== null);
  const inner = innerOf(spans);
  for (const { id, scope, severity, ...span } of violations) {
    if (span.start === null) continue;
    const place = { start: offsets.toUnits(span.start), end: offsets.toUnits(span.end) };
    if (scope === "omission") marks.push({ key: id, name: "omission", ...wordAfter(cursor.words, place) });
    else marks.push({ key: id, name: (inner.has(id) ? "inner-" : "") + (severity || "unset"), ...place });
    if (id === current && scope === "span") marks.push({ key: "current", name: "current", ...place });
  }
  const { selection, place, edge, tokens } = cursor;
  if (selection) marks.push({ key: "selection", name: "selection", ...selection });
  else if (place) marks.push({ key: "cursor", name: "cursor", ...place });
  if (edge) marks.push({ key: "edge", name: "edge", ...characterInside(edge, tokens) });
  return marks;
}

// The innermost violation over a point; of two on the same words the one that keys act on, else the later.
export function innermostAt(violations, point, current) {
  const over = violations.filter(({ scope, start, end }) => scope === "span" && start <= point && point < end);
  const size = ({ start, end }) => end - start;
  return over.reduceRight((best, each) => {
    if (!best || size(each) < size(best)) return each;
    return size(each) === size(best) && each.id === current ? each : best;
  }, undefined);
}

// The ids of spans that lie inside another one: they are drawn over it, or it would hide them.
function innerOf(spans) {
  const ordered = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  const inner = new Set();
  let reach = -1;
  for (const { id, end } of ordered) {
    if (end <= reach) inner.add(id);
    else reach = end;
  }
  return inner;
}

// An omission lies between characters; it is shown at the word that follows it.
function wordAfter(words, place) {
  return words[indexAt(words, place.start)] ?? place;
}

function characterInside({ side, span: { start, end } }, tokens) {
  return side === "start" ? { start, end: tokens.after(start) } : { start: tokens.before(end), end };
}
