// Puts a sheet on the screen, as the server's template does with the first one. Texts come in pieces: a text, or a
// hidden character with its name.

import { byId, element } from "./page.js";

export function show({ prompt, output, language, revision, refusal }) {
  byId("messages").replaceChildren(...prompt.map((block) => messageOf(block, language)));
  const box = byId("output");
  box.lang = language;
  fill(box, output);
  byId("is-change").hidden = !revision;
  byId("open-skip").hidden = Boolean(revision);
  showRefusal(refusal);
}

export const textOf = (pieces) => pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("");

function showRefusal(refusal) {
  const box = byId("refusal");
  box.hidden = !refusal;
  const said = refusal?.problems?.length ? refusal.problems.map(({ message }) => message) : [refusal?.message ?? ""];
  box.replaceChildren(...said.map((text) => element("p", text)));
}

function messageOf({ role, kind, name, pieces }, language) {
  const made = element("div", "", kind === "text" ? "work-message" : "work-message is-tool");
  const title = { call: "tool call", result: "tool result" }[kind];
  const says = title ? [title, name].filter(Boolean).join(" · ") : role;
  if (says) made.append(element("p", says, "work-role"));
  const text = element("div", "", "hostile");
  text.lang = language;
  fill(text, pieces);
  made.append(text);
  return made;
}

export function fill(box, pieces) {
  // With dir="auto", Chromium works the direction out anew for every piece: seconds, where a text has thousands.
  box.dir = "";
  box.replaceChildren(...pieces.map(nodeOf));
  box.dir = "auto";
}

function nodeOf(piece) {
  if (typeof piece === "string") return document.createTextNode(piece);
  const [text, name] = piece;
  const made = element("span", text, "hidden-character");
  made.dataset.name = name;
  return made;
}
