// The Work page: puts the parts together. Without it the page is a plain form.

import { Draft } from "./draft.js";
import { Keymap, isTyping } from "./keymap.js";
import { List } from "./list.js";
import { Marks, nextSeverity } from "./marks.js";
import { remember, reveal } from "./page.js";
import { Reader } from "./reader.js";
import { fill } from "./sheet.js";

const UNDO_SUBMIT_MS = 10_000;
const byId = (id) => document.getElementById(id);

const data = JSON.parse(byId("work-data").textContent);
const form = byId("work");
const output = byId("output");
const reader = new Reader(output, {
  onMove: moved,
  onPick: cycle,
  onEdge: (id, span, side) => marks.update(id, span, side),
  onRefused: (says) => announce(says, { isShown: true }),
  onReveal: (range) => reveal(range, form),
});
reader.load({ language: data.language });
const tags = new Map(data.tags.map((tag) => [tag.slug, tag]));
const keymap = new Keymap(data.tags, data.preferences);
const draft = new Draft({
  url: data.draft_url,
  token: data.token,
  version: data.marked.version,
  csrf: form.elements.csrfmiddlewaretoken.value,
  content: () => marks.toJSON(),
  onState: showSaved,
});
const recovered = draft.recovered();
const marks = new Marks(recovered ?? data.marked);
const list = new List({
  root: byId("violations"),
  template: byId("violation-template"),
  marks,
  nameOf: tagOf,
  quoteOf: (violation) => reader.quote(violation),
  onPick: (id) => pick(id),
  onRemove: (id) => remove(id),
});

let current = null; // the violation that keys act on
let isOmitting = false;
let isSent = false;
const loadedAt = performance.now();

// Violations

function tagOf({ tag }) {
  return tags.get(tag) ?? { slug: tag, name: `${tag} (no longer in the tag set)`, severity_rule: "optional" };
}

function apply(tag) {
  const span = whereTo(tag);
  if (!span) return announce(`Select the wrong words first: “${tag.name}” needs them.`);
  const severity = tag.severity_rule === "required" ? "major" : "";
  isOmitting = false;
  current = marks.add({ tag: tag.slug, severity, ...span });
  render();
  reader.deselect();
  list.reveal(current);
  announce(`${tag.name}, ${describe(marks.find(current))}. Violation ${marks.violations.length}.`);
}

// Scope and span of a violation of this tag as things stand; null when the tag needs words and none are selected.
function whereTo(tag) {
  if (isOmitting) {
    const at = reader.place;
    return { scope: "omission", ...(at === null ? {} : { start: at, end: at }) };
  }
  if (reader.selection && tag.span_rule !== "none") return { scope: "span", ...reader.selection };
  return tag.span_rule === "required" ? null : { scope: "whole" };
}

function describe({ scope, severity, ...span }) {
  const about = { span: `“${reader.quote(span)}”`, whole: "whole output", omission: "omission" }[scope];
  return severity ? `${about}, ${severity}` : about;
}

function pick(id) {
  if (current === id) return;
  current = id;
  render();
}

function remove(id) {
  const index = marks.violations.findIndex((each) => each.id === id);
  const name = tagOf(marks.violations[index]).name;
  current = (marks.violations[index + 1] ?? marks.violations[index - 1])?.id ?? null;
  marks.remove(id);
  announce(`${name} removed.`);
  if (document.activeElement === document.body) output.focus({ preventScroll: true });
}

function setSeverity(wanted) {
  const violation = marks.find(current);
  if (!violation) return announce("There is no violation to grade yet.");
  if (tagOf(violation).severity_rule === "none") return announce(`“${tagOf(violation).name}” has no severity.`);
  const severity = violation.severity === wanted ? "critical" : wanted;
  marks.update(current, { severity });
  announce(severity);
}

function cycle(id) {
  const violation = marks.find(id);
  current = id;
  if (tagOf(violation).severity_rule === "none") return render();
  marks.update(violation.id, { severity: nextSeverity(violation.severity) });
  announce(`${tagOf(violation).name}: ${marks.find(current).severity}`);
}

function startOmission() {
  isOmitting = !isOmitting;
  announce(isOmitting ? "Omission: now choose the tag of what is missing." : "No omission.");
  render();
}

// Verdict

function setVerdict(verdict) {
  if (marks.violations.length) {
    return announce("There are violations. Remove them first, or submit as rejected.", { isShown: true });
  }
  marks.setVerdict(marks.state.verdict === verdict ? "" : verdict);
  announce(marks.state.verdict ? `${said(marks.state.verdict)}. Ctrl+Enter submits.` : "No verdict.");
}

const said = (verdict) => verdict.replace("_", " ");

function submit() {
  if (isSent) return;
  if (!marks.verdict) {
    return announce("Mark what is wrong, or choose “nothing wrong” or “cannot tell”.", { isShown: true });
  }
  isSent = true;
  draft.end();
  const verdict = document.createElement("input");
  Object.assign(verdict, { type: "hidden", name: "verdict", value: marks.verdict });
  form.append(verdict);
  form.elements.violations.value = JSON.stringify(marks.toJSON().violations);
  form.elements.version.value = draft.version;
  byId("send").setAttribute("aria-disabled", "true");
  showSaved("Submitting…");
  form.submit();
}

function undo() {
  const change = byId("change-last");
  if (marks.undo()) announce("Undone.");
  else if (change && performance.now() - loadedAt < UNDO_SUBMIT_MS) change.click();
  else announce("Nothing to undo.");
}

// What the page shows

function render() {
  if (!marks.find(current)) current = marks.violations.at(-1)?.id ?? null;
  list.show(current);
  reader.show(marks.violations, current);
  showTarget();
  byId("omission")?.setAttribute("aria-pressed", isOmitting);
  byId("tags").classList.toggle("is-armed", isOmitting);
  for (const button of form.querySelectorAll(".work-verdicts [name=verdict]")) {
    button.setAttribute("aria-pressed", marks.state.verdict === button.value && !marks.violations.length);
  }
  const verdict = marks.verdict;
  byId("send-label").textContent = verdict ? `Submit “${said(verdict)}”` : "Submit";
  if (byId("comment").value !== marks.state.comment) byId("comment").value = marks.state.comment;
}

function showTarget() {
  const target = byId("target");
  if (isOmitting) return target.replaceChildren("Now choose the tag of what is missing.");
  if (!reader.selection) return target.replaceChildren("On the whole output, until words are selected.");
  const quote = document.createElement("q");
  quote.textContent = reader.quote(reader.selection);
  return target.replaceChildren("On ", quote);
}

function showSaved(text, isWrong = false) {
  const saved = byId("saved");
  saved.textContent = text;
  saved.classList.toggle("is-wrong", isWrong);
  if (isWrong) announce(text);
}

function announce(text, { isShown = false } = {}) {
  byId("announce").textContent = text;
  if (isShown) showSaved(text);
}

function moved(says) {
  showTarget();
  if (says) announce(says);
}

// Keys

const ACTIONS = {
  omission: startOmission,
  minor: () => setSeverity("minor"),
  major: () => setSeverity("major"),
  critique: () => edit("critique"),
  correction: () => edit("correction"),
  remove: () => (marks.find(current) ? remove(current) : announce("There is no violation to remove.")),
  undo,
  redo: () => announce(marks.redo() ? "Done again." : "Nothing to redo."),
  nothingWrong: () => setVerdict("nothing_wrong"),
  cannotTell: () => setVerdict("cannot_tell"),
  skip: () => byId("open-skip")?.click(),
  submit,
  help: showKeys,
};

function edit(field) {
  if (!marks.find(current)) return announce("Mark a violation first.");
  render();
  list.focusField(current, field);
}

function showKeys() {
  fill(byId("key-groups"), keymap, data.tags);
  byId("single-keys").checked = keymap.hasSingleKeys;
  byId("keys").showModal();
}

function onKey(event) {
  const asked = keymap.asked(event);
  if (isTyping(event.target)) {
    if (asked?.action === "submit") act(event, submit);
    else if (asked?.action === "clear") act(event, () => output.focus({ preventScroll: true }));
    return;
  }
  if (asked?.tag) act(event, () => apply(tags.get(asked.tag)));
  else if (asked) act(event, () => doAction(asked.action));
}

function doAction(name) {
  if (name === "clear" && isOmitting) startOmission();
  else if (!reader.act(name)) ACTIONS[name]();
}

function act(event, action) {
  event.preventDefault();
  if (!event.repeat || event.key.startsWith("Arrow")) action();
}

// Beginning

marks.addEventListener("change", () => {
  render();
  draft.changed();
});
document.addEventListener("keydown", onKey);
byId("tags").addEventListener("click", (event) => {
  const chip = event.target.closest("[data-tag]");
  if (chip) apply(tags.get(chip.dataset.tag));
});
byId("omission")?.addEventListener("click", startOmission);
byId("open-keys").addEventListener("click", showKeys);
byId("single-keys").addEventListener("change", (event) => {
  keymap.hasSingleKeys = event.target.checked;
  save(data.preferences, { single_keys: keymap.hasSingleKeys }).catch(() => announce("Not saved: it holds until you leave."));
});
byId("comment").addEventListener("input", (event) => marks.setComment(event.target.value));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { value } = event.submitter ?? {};
  if (value === "nothing_wrong" || value === "cannot_tell") setVerdict(value);
  else submit();
});
// Coming back by the browser's history must not show a form that was sent already.
addEventListener("pageshow", (event) => event.persisted && location.reload());

for (const dialog of document.querySelectorAll("[popover]")) {
  dialog.addEventListener("toggle", ({ newState }) => newState === "open" && dialog.querySelector("button, a").focus());
}
remember(byId("prompt"));
if (reader.length !== data.length) {
  announce("Something in this browser changed the text, so marks would be misplaced. Switch off extensions, reload.", {
    isShown: true,
  });
  byId("send").disabled = true;
} else if (recovered) {
  draft.changed();
}
setTimeout(() => byId("after")?.querySelector("kbd").remove(), UNDO_SUBMIT_MS);
history.replaceState(history.state, "", location.pathname);
render();
output.focus({ preventScroll: true });
