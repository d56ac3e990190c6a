// The bar at the foot says how many are chosen; Shift and click chooses a range. Everything works without this.

const bar = document.querySelector("[data-count]");
const boxes = () => [...document.querySelectorAll('input[type="checkbox"][form="chosen"]')];
let last = null;

function count() {
  if (!bar) return;
  const chosen = boxes().filter((box) => box.checked).length;
  bar.textContent = chosen ? `${chosen} chosen` : bar.dataset.none;
}

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
document.body.addEventListener("htmx:afterSwap", count);
count();

for (const select of document.querySelectorAll("select[data-submits]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
