// Constraints by keys: each control says its key (data-key), in rows (data-row) or beside them. The bar at the foot says
// how many are chosen; Shift and click chooses a range. Everything works without this.

import { isInDialog, isTyping, namesOf } from "./work/keymap.js";

const bar = document.querySelector("[data-count]");
const sheet = document.getElementById("constraint-keys");
const place = `row ${location.pathname}`; // where the person was, over the reload that an act ends in
const boxes = () => [...document.querySelectorAll('input[type="checkbox"][form="chosen"]')];
const rows = () => [...document.querySelectorAll("[data-row]")];
let last = null;
let at = -1; // the current row

function count() {
  if (!bar) return;
  const chosen = boxes().filter((box) => box.checked).length;
  bar.textContent = chosen ? `${chosen} chosen` : bar.dataset.none;
}

function stand(index) {
  const all = rows();
  if (!all.length) return;
  at = Math.max(0, Math.min(index, all.length - 1));
  all.forEach((row, number) => row.classList.toggle("is-current", number === at));
  all[at].tabIndex = -1;
  all[at].focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}

// The control that a key means: of the chosen ones' bar when any is chosen, else of the current row, else of the page.
function meant(key) {
  const all = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter((each) => !each.disabled);
  const isChosen = boxes().some((box) => box.checked);
  const inBar = all.find((each) => each.form?.id === "chosen" && each.type !== "checkbox");
  if (inBar && (isChosen || !all.some((each) => each.closest("[data-row]")))) return isChosen ? inBar : null;
  const row = rows()[at];
  return all.find((each) => row?.contains(each)) ?? all.find((each) => !each.closest("[data-row]") && each !== inBar);
}

function press(control) {
  if (control.dataset.opens) return sheet.showModal();
  if (control.tagName === "SUMMARY") {
    control.parentElement.open = true;
    return control.parentElement.querySelector("input[type=text]").select();
  }
  if (control.matches("select")) return control.focus();
  if (control.matches("input[type=text]")) return control.select();
  return control.click();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || isTyping(event.target) || isInDialog()) return;
  const isSingle = sheet?.dataset.singleKeys === "yes";
  const key = namesOf(event).map((name) => (name === "Ctrl+Z" ? "u" : name.length === 1 && isSingle ? name : "")).find(Boolean);
  if (!key || !sheet) return;
  if (key === "j" || key === "k") {
    event.preventDefault();
    return stand(key === "j" ? at + 1 : at - 1);
  }
  const control = meant(key);
  if (!control) return;
  event.preventDefault();
  press(control);
});

for (const key of document.querySelectorAll("button[data-key] > kbd")) key.hidden = false; // they work from here on
for (const button of document.querySelectorAll("[data-opens]")) {
  button.hidden = false;
  button.addEventListener("click", () => sheet.showModal());
}

// In the list of where to move members, Enter moves them.
document.querySelector("select[name=into]")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.form.querySelector("[value=move]").click();
});

if (bar) bar.dataset.none = bar.textContent;
document.addEventListener("click", (event) => {
  const all = boxes();
  const here = all.indexOf(event.target);
  if (here < 0) return;
  const there = all.indexOf(last);
  if (event.shiftKey && there >= 0) {
    for (const box of all.slice(Math.min(here, there), Math.max(here, there) + 1)) box.checked = event.target.checked;
  }
  last = event.target;
  count();
});
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-row]");
  if (row) at = rows().indexOf(row);
});
document.addEventListener("submit", () => at >= 0 && sessionStorage.setItem(place, at));
document.body.addEventListener("htmx:afterSwap", count);
document.body.addEventListener("htmx:afterSettle", () => {
  sessionStorage.removeItem(place);
  if (at >= 0 && document.activeElement === document.body) stand(at);
});
count();

const before = sessionStorage.getItem(place);
sessionStorage.removeItem(place);
if (before !== null) stand(Number(before));

for (const select of document.querySelectorAll("select[data-submits]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
