// Verify: a key answers, the choice is seen for 350 ms, then the next question stands there. Any answer can be taken back.

import { Deliveries } from "./verify/deliveries.js";
import { Sheet, textOf } from "./verify/sheet.js";
import { isInDialog, isTyping, Keymap, namesOf } from "./work/keymap.js";
import { byId } from "./work/page.js";
import { Server } from "./work/server.js";

const SEEN_MS = 350;
const RETRY_MS = 3000;
const UNDO_AT_MOST = 100;
const SAYS = { violated: "Yes, violated", not_violated: "No", cannot_tell: "Cannot tell" };
const ANSWER_KEYS = { y: "violated", n: "not_violated", c: "cannot_tell" };

const form = byId("verify");
const data = JSON.parse(byId("verify-data").textContent);
const buttons = [...form.querySelectorAll("[name=answer]")];
const keymap = new Keymap([], data.preferences);
const server = new Server({ urls: data.urls, csrf: form.elements.csrfmiddlewaretoken.value });
const sheet = new Sheet({ form, isSensitive: data.is_sensitive });
const deliveries = new Deliveries({ server, owner: data.owner, besides: () => held() });

let ahead = data.questions;
let current = null;
let chosen = null; // { answer, timer } while the choice is seen
let said = []; // { question, answer, key }, to be taken back
let { answered, left } = data;
let refusal = ""; // stands there until the next answer

const held = () => [current, ...ahead].filter(Boolean).map(({ token }) => token);

function choose(answer) {
  if (!current || isWaiting()) return;
  if (sheet.isCovered) return announce("Uncover the text first.");
  clearTimeout(chosen?.timer);
  refusal = "";
  chosen = { answer, timer: setTimeout(advance, SEEN_MS) };
  showChoice();
  announce(SAYS[answer]);
}

function advance() {
  keepChoice();
  show(ahead.shift() ?? null);
}

// From here on the server hears of it.
function keepChoice() {
  if (!chosen) return;
  clearTimeout(chosen.timer);
  const entry = { question: current, answer: chosen.answer, key: crypto.randomUUID?.() ?? uuid() };
  said = [...said, entry].slice(-UNDO_AT_MOST);
  chosen = null;
  const seconds = sheet.seconds;
  current = null;
  count(1);
  deliveries.answer({ token: entry.question.token, key: entry.key, answer: entry.answer, seconds });
}

function undo() {
  if (chosen) {
    clearTimeout(chosen.timer);
    chosen = null;
    showChoice();
    return announce("Not answered.");
  }
  const last = said.pop();
  if (!last) return announce("There is nothing to undo.");
  if (current) ahead.unshift(current);
  count(-1);
  show(last.question, { isBack: true });
  deliveries.undo({ token: last.question.token, key: last.key });
  announce(`Taken back: ${SAYS[last.answer]}. Answer it again.`);
}

function show(question, { isBack = false } = {}) {
  const before = isBack ? null : said.at(-1)?.question;
  current = question;
  form.hidden = !question;
  byId("nothing").hidden = Boolean(question) || deliveries.count > 0;
  showChoice();
  if (!question) return deliveries.count ? announce("Looking for the next one …") : ask();
  sheet.show(question);
  const isFresh = Boolean(before) && textOf(before.statement) !== textOf(question.statement);
  byId("fresh").hidden = !isFresh;
  if (isFresh) {
    byId("begin").focus({ preventScroll: true });
    return announce(`Another question: ${textOf(question.statement)}. Press Enter to go on.`);
  }
  if (!buttons.includes(document.activeElement)) byId("output").focus({ preventScroll: true });
  if (!isBack && before) announce(`${SAYS[said.at(-1).answer]}. Next output.`);
}

const isWaiting = () => !byId("fresh").hidden;

function showChoice() {
  form.classList.toggle("is-chosen", Boolean(chosen));
  for (const button of buttons) button.setAttribute("aria-pressed", button.value === chosen?.answer);
  byId("undo").disabled = !chosen && !said.length;
}

function take({ questions = [] }) {
  const known = new Set([...held(), ...deliveries.tokens]);
  ahead.push(...questions.filter(({ token }) => !known.has(token)));
  if (!current && ahead.length && !chosen) show(ahead.shift());
  else if (!current && !deliveries.count) byId("nothing").hidden = false;
}

// Asks for more when nothing is under way that would bring it.
async function ask() {
  try {
    take(await server.post("next", { besides: held() }));
  } catch {
    setTimeout(() => current || ask(), RETRY_MS);
  }
}

function count(by) {
  answered += by;
  left = Math.max(left - by, 0);
  byId("answered").textContent = answered;
  byId("left").textContent = left;
  Object.assign(byId("progress"), { max: Math.max(answered + left, 1), value: answered });
}

function announce(text) {
  byId("announce").textContent = text;
}

function tell(text, isWrong = false) {
  byId("said").textContent = text;
  byId("said").classList.toggle("is-wrong", isWrong);
}

function showDeliveries() {
  const { count: waiting, state } = deliveries;
  if (state === "offline") tell(`${waiting} kept here, offline`, true);
  else if (state === "signed out") tell(`${waiting} kept here. Sign in again in another tab`, true);
  else if (refusal) tell(refusal, true);
  else if (waiting) tell("Saving …");
  else tell(said.length ? "Saved" : "");
}

deliveries.addEventListener("change", showDeliveries);
deliveries.addEventListener("delivered", ({ detail }) => take(detail));
deliveries.addEventListener("refused", ({ detail: { delivery, error } }) => {
  said = said.filter(({ key }) => key !== delivery.body.key);
  refusal = error.message;
  tell(refusal, true);
  announce(error.message);
  if (!current) ask();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  choose(event.submitter.value);
});
byId("undo").addEventListener("click", undo);
byId("begin").addEventListener("click", () => {
  byId("fresh").hidden = true;
  byId("output").focus({ preventScroll: true });
});

const ACTIONS = { undo, uncover: () => sheet.uncover() };
const SINGLE = { u: () => (sheet.isCovered && !chosen ? sheet.uncover() : undo()), p: () => sheet.togglePrompt() };

document.addEventListener("keydown", (event) => {
  if (event.repeat || isInDialog() || isTyping(event.target)) return;
  const names = keymap.hasSingleKeys ? namesOf(event) : [];
  const name = names.find((each) => each in ANSWER_KEYS || each in SINGLE);
  const act = ANSWER_KEYS[name] ? () => choose(ANSWER_KEYS[name]) : (SINGLE[name] ?? ACTIONS[keymap.asked(event)?.action]);
  if (!act) return;
  event.preventDefault();
  act();
});

// Leaving: what was chosen counts, what was fetched ahead goes back.
addEventListener("pagehide", () => {
  const release = held().filter((token) => !chosen || token !== current?.token);
  deliveries.isLeaving = true;
  keepChoice();
  if (release.length) server.post("release", { release }, { keepalive: true }).catch(() => {});
});
document.addEventListener("visibilitychange", () => document.hidden && chosen && advance());
addEventListener("pageshow", (event) => event.persisted && location.reload());

function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

form.classList.add("is-live");
form.classList.toggle("has-no-single-keys", !keymap.hasSingleKeys);
for (const label of form.querySelectorAll("kbd[data-action]")) label.textContent = keymap.labelOf(label.dataset.action);
byId("after")?.remove();
show(ahead.shift() ?? null);
