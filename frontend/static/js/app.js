// Small comforts on every page. Everything works without them.

// The chosen tab may lie outside a narrow screen's row of tabs.
document.querySelector('.tabs [aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });

// What scrolls by itself can be scrolled by keys: it takes the focus, and says what it is.
const SCROLLERS = ".table-wrap, .prompt-blocks, .pair-prompt, .pair .quote, .run-log pre, .run-spec, .import-example, #load-code";
const scrollers = new ResizeObserver((entries) => entries.forEach(({ target }) => reachable(target)));
watchScrollers();
document.body.addEventListener("htmx:afterSettle", watchScrollers);

function watchScrollers() {
  for (const each of document.querySelectorAll(SCROLLERS)) scrollers.observe(each);
}

function reachable(box) {
  if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) {
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    return;
  }
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", box.querySelector("caption")?.textContent.trim() || titleOf(box));
}

// The heading above.
function titleOf(element) {
  const headings = [...document.querySelectorAll("main :is(h1, h2, h3)")];
  const above = headings.filter((each) => each.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING);
  return above.at(-1)?.textContent.trim().replace(/\s+/g, " ") ?? "Table";
}

// An open menu closes when the person goes on elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// <button type="button" data-copy="ID" hidden>: copies the text or value of the element with that id.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
});

// <form data-confirm="..."> asks once more before something that cannot be taken back.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Times: the server renders UTC, the person reads their own time.
for (const each of document.querySelectorAll("time[datetime]")) {
  const at = new Date(each.dateTime);
  if (!Number.isNaN(at.valueOf())) each.title = at.toLocaleString();
}

// A request that htmx could not make says so, next to what was typed.
document.body.addEventListener("htmx:sendError", () => {
  showNotice("The server could not be reached. What you typed is still here; try again.");
});
document.body.addEventListener("htmx:responseError", (event) => {
  showNotice(`The server answered with an error (${event.detail.xhr.status}). What you typed is still here; try again.`);
});

function showNotice(text) {
  const notice = document.createElement("p");
  notice.className = "callout is-error";
  notice.textContent = text;
  document.getElementById("notices").replaceChildren(notice);
}
