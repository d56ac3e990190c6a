// Words above and below: where a browser has put them.

// The word nearest to a column in the line above (-1) or below (1) a word: { index, column }, the same index when there
// is no such line. Without a column the word's own middle is it.
export function nearestInLine(map, words, from, direction, column = null) {
  const rectOf = (at) => map.range(words[at].start, words[at].end).getBoundingClientRect();
  const here = rectOf(from);
  const wanted = column ?? middleOf(here);
  let best = { index: from, distance: Infinity };
  let line = null;
  for (let index = from + direction; index >= 0 && index < words.length; index += direction) {
    const rect = rectOf(index);
    if (Math.abs(rect.top - here.top) < here.height / 2) continue;
    line ??= rect;
    if (Math.abs(rect.top - line.top) > line.height / 2) break;
    const distance = Math.abs(middleOf(rect) - wanted);
    if (distance < best.distance) best = { index, distance };
  }
  return { index: best.index, column: wanted };
}

const middleOf = ({ left, width }) => left + width / 2;
