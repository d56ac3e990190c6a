// What the keyboard steps over: words (a mark of punctuation is one too) and sentences, as [start, end) in UTF-16 units.

const LOOSE = /[\p{L}\p{M}\p{N}_'’]+|\p{Extended_Pictographic}(?:\u200d\p{Extended_Pictographic}|[\ufe0f\p{EMod}])*|\S/gu;

export function words(text, language) {
  const found = [];
  for (const { index, segment } of segments(text, language, "word")) {
    if (segment.trim()) found.push({ start: index, end: index + segment.length });
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

// The index of the token at or after `unit`; the last one when there is none after it.
export function indexAt(tokens, unit) {
  const found = tokens.findIndex((token) => token.end > unit);
  return found < 0 ? tokens.length - 1 : found;
}

// The span widened to whole tokens, without the blanks around it; null when it touches none.
export function snap(tokens, { start, end }) {
  const touched = tokens.filter((token) => token.start < end && token.end > start);
  return touched.length ? { start: touched[0].start, end: touched.at(-1).end } : null;
}

function* segments(text, language, granularity) {
  if (globalThis.Intl?.Segmenter) {
    yield* new Intl.Segmenter(language || undefined, { granularity }).segment(text);
    return;
  }
  const pattern = granularity === "word" ? LOOSE : /[^.!?\n]+[.!?\n]*/gu;
  for (const match of text.matchAll(pattern)) yield { index: match.index, segment: match[0] };
}
