// What is painted where: a pure function of the marks and the cursor. Spans of the result are in UTF-16 units.

export function groupsOf({ violations, current, cursor, offsets }) {
  const groups = {};
  const put = (name, { start, end }) => (groups[name] ??= []).push([start, end]);
  for (const { id, scope, severity, ...span } of violations) {
    if (span.start === null) continue;
    const place = { start: offsets.toUnits(span.start), end: offsets.toUnits(span.end) };
    if (scope === "omission") put("omission", wordAfter(cursor.words, place));
    else put(severity || "unset", place);
    if (id === current && scope === "span") put("current", place);
  }
  if (cursor.selection) put("selection", cursor.selection);
  else if (cursor.word) put("cursor", cursor.word);
  return groups;
}

// An omission lies between characters; it is shown at the word that follows it.
function wordAfter(words, place) {
  return words.find(({ end }) => end > place.start) ?? words.at(-1) ?? place;
}
