// Small things about the page itself.

import { read, write } from "./store.js";

const MARGIN = 16;

export const byId = (id) => document.getElementById(id);

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Scrolls the text so that a range of it is in view, above whatever sticks to the bottom.
export function reveal(range, form) {
  const column = form.querySelector(".work-text");
  const ownsScroll = getComputedStyle(column).overflowY === "auto";
  const scroller = ownsScroll ? column : window;
  const top = (ownsScroll ? column.getBoundingClientRect().top : 0) + MARGIN;
  const bottom = Math.min(innerHeight, ...stuckTops(form)) - MARGIN;
  const rect = range.getBoundingClientRect();
  const quarter = (bottom - top) / 4;
  if (rect.top < top) scroller.scrollBy(0, rect.top - top - quarter);
  else if (rect.bottom > bottom) scroller.scrollBy(0, Math.min(rect.bottom - bottom + quarter, rect.top - top));
}

function stuckTops(form) {
  return [".work-footer", ".work-tags"]
    .map((each) => form.querySelector(each))
    .filter((element) => getComputedStyle(element).position === "sticky")
    .map((element) => element.getBoundingClientRect().top);
}

// Whether a <details> is open stays as it was left.
export function remember(details) {
  const key = `negativa.open.${details.id}`;
  details.open = read(key) !== false;
  details.addEventListener("toggle", () => write(key, details.open));
}
