// A judgment in a few words.

export const said = (verdict) => verdict.replace("_", " ");

export function summary({ violations, verdict }) {
  const count = violations.length;
  if (count) return `rejected, ${count} violation${count === 1 ? "" : "s"}`;
  return verdict ? said(verdict) : "nothing marked";
}
