// Words above and below: where a browser has put them.

// The index of the word nearest to this one in the line above (-1) or below (1); the same index when there is none.
export function nearestInLine(map, words, index, direction) {
  const rectOf = (at) => map.range(words[at].start, words[at].end).getBoundingClientRect();
  const here = rectOf(index);
  let best = index;
  let line = null;
  for (let at = index + direction; at >= 0 && at < words.length; at += direction) {
    const rect = rectOf(at);
    if (Math.abs(rect.top - here.top) < here.height / 2) continue;
    line ??= rect;
    if (Math.abs(rect.top - line.top) > line.height / 2) break;
    if (best === index || distance(rect, here) < distance(rectOf(best), here)) best = at;
  }
  return best;
}

const distance = (one, other) => Math.abs(one.left + one.width / 2 - other.left - other.width / 2);
