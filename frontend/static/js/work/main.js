// The Work page: puts the parts together. Without it the page is a plain form.

import { Choice } from "./choice.js";
import { Desk } from "./desk.js";
import { Keymap } from "./keymap.js";
import { Keys, submit } from "./keys.js";
import { Leases } from "./leases.js";
import { Loop, isBlank } from "./loop.js";
import { Outbox } from "./outbox.js";
import { byId } from "./page.js";
import { Server } from "./server.js";
import { textOf } from "./sheet.js";
import { LastSubmit, Progress, announce, showElsewhere, showRefused, showWaiting } from "./status.js";
import { summary } from "./summary.js";
import { write } from "./store.js";

const data = JSON.parse(byId("work-data").textContent);
const { csrf, owner } = byId("work-page").dataset;
const server = new Server({ urls: data.urls, csrf });
const names = new Map(data.tags.map(({ slug, name }) => [slug, name]));
const choice = new Choice({ dialog: byId("choice"), tagName: ({ tag }) => names.get(tag) ?? tag });
const progress = new Progress({ server, ...data.progress });
const desk = byId("work") && new Desk({ server, data, choice });
const outbox = new Outbox({ server, owner, besides: (entry) => loop.besides(entry) });
const last = new LastSubmit({ onUndo: () => loop.undo(), onOver: () => loop.forgetLast() });

// A page that opened with nothing to judge has no form: another sheet is shown by the page of its own.
const elsewhere = {
  sheet: null,
  isMarked: false,
  nothing() {},
  wait() {},
  show(sheet) {
    if (sheet.isUnsaved) write(`negativa.draft.${sheet.lease}`, { version: sheet.version, at: Date.now(), content: sheet.marked });
    location.assign(server.urlOf("output", sheet.lease));
  },
};

const page = {
  show: (...args) => (desk ?? elsewhere).show(...args),
  prepare: (sheet) => desk?.view.prepare(sheet),
  wait: () => (desk ?? elsewhere).wait(),
  nothing: (why) => (desk ?? elsewhere).nothing(why),
  take: () => desk.take(),
  putAside: () => desk.putAside(),
  isMarked: () => Boolean(desk?.isMarked),
  said: (submitted) => last.show(submitted),
  counted: (by) => progress.count(by),
  submitted: (body) => announce(`Submitted: ${summary(body)}. Ctrl+Z within 10 seconds takes it back.`),
  failed: (message) => announce(message, { isShown: true }),
  refused: (entry) => showRefused(entry, { onOpen: () => loop.goBackTo(entry), onDrop: () => outbox.drop(entry) }),
  choose: ({ sheet, ...question }) => choice.ask({ ...question, text: textOf(sheet.output) }),
};
const loop = new Loop({ server, outbox, page });

outbox.addEventListener("change", () => showWaiting(outbox));
new Leases({
  server,
  sheets: () => [loop.shown, loop.held].filter(Boolean),
  isFree: (sheet) => !sheet.revision && (sheet === loop.shown ? !page.isMarked() : isBlank(sheet)),
  onLost: (token) => loop.lost(token),
});
if (desk) listen();
// Coming back by the browser's history must not show what was given back when the page was left.
addEventListener("pageshow", (event) => event.persisted && location.reload());
history.replaceState(history.state, "", location.pathname);
loop.begin({ sheet: data.sheet, undo: data.can_undo });
showWaiting(outbox);
showElsewhere(outbox.elsewhere, data.urls.next);

function listen() {
  const { bench, form } = desk;
  new Keys({ keymap: new Keymap(data.tags, data.preferences), desk, loop, data });
  byId("tags").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-tag]");
    if (chip) bench.apply(chip.dataset.tag);
  });
  byId("omission")?.addEventListener("click", () => bench.startOmission());
  byId("comment").addEventListener("input", (event) => bench.marks.setComment(event.target.value));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { value } = event.submitter ?? {};
    if (value === "nothing_wrong" || value === "cannot_tell") bench.setVerdict(value);
    else submit(desk, loop);
  });
  byId("skip-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const reason = event.submitter?.value || byId("skip-reason").value;
    byId("skip").hidePopover();
    byId("skip-reason").value = "";
    if (desk.sheet) loop.skip(reason);
  });
  for (const button of document.querySelectorAll("#nothing [data-again]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      outbox.retry();
      loop.askNext();
    });
  }
  for (const dialog of document.querySelectorAll("[popover]")) {
    dialog.addEventListener("toggle", ({ newState }) => newState === "open" && dialog.querySelector("button, a").focus());
  }
}
