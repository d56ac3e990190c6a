// The Keys page: a key is chosen by pressing it. Without this module it is written.

import { namesOf, shown } from "./work/keymap.js";

const said = document.getElementById("key-said");
let listening = null; // the row that waits for a key

for (const row of document.querySelectorAll(".key-row")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button is-small is-quiet key-press";
  button.textContent = "Press a key";
  button.setAttribute("aria-label", `Press a key for “${row.dataset.says}”`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => (listening === row ? stop() : listen(row)));
  button.addEventListener("blur", stop);
  row.querySelector("input").after(button);
}

function listen(row) {
  stop();
  listening = row;
  const button = row.querySelector(".key-press");
  button.textContent = "Now press it";
  button.setAttribute("aria-pressed", "true");
  say(`Press the key for “${row.dataset.says}”. Tab leaves it as it is.`);
}

function stop() {
  const button = listening?.querySelector(".key-press");
  listening = null;
  if (!button) return;
  button.textContent = "Press a key";
  button.setAttribute("aria-pressed", "false");
}

document.addEventListener("keydown", (event) => {
  if (!listening || event.key === "Tab") return;
  const [name] = namesOf(event);
  if (!name) return;
  event.preventDefault();
  event.stopPropagation();
  const { says } = listening.dataset;
  listening.querySelector("input").value = shown(name);
  stop();
  say(`${shown(name)} is for “${says}” when you save.`);
}, { capture: true });

function say(text) {
  said.textContent = text;
}
