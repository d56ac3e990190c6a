// The rendered view of an output: HTML that our server made and escaped, and which text of it stands where.

import { Offsets } from "./offsets.js";

const KEPT = 4; // the sheet shown, the one fetched ahead, and two before them
const asked = new Map(); // leases to promises of HTML

// Asked for once per sheet; after a failure it is asked for again.
export function htmlOf(server, { lease }) {
  if (!asked.has(lease)) {
    const html = server.get("rendered", lease).then((answer) => answer.html);
    asked.set(lease, html);
    html.catch(() => asked.delete(lease));
    if (asked.size > KEPT) asked.delete(asked.keys().next().value);
  }
  return asked.get(lease);
}

// Puts the HTML into `root` and returns the runs for Reader.load: what is shown of `text` where, in UTF-16 units.
export function fill(root, html, text) {
  const view = document.createElement("div");
  view.className = "rendered";
  view.append(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  root.replaceChildren(view);
  const offsets = new Offsets(text);
  return [...runsIn(view, text, offsets), ...standInsIn(view, offsets)];
}

function runsIn(view, text, offsets) {
  return [...view.querySelectorAll("[data-start]")].flatMap((element) => {
    let start = offsets.toUnits(Number(element.dataset.start));
    const runs = textNodes(element).map((node) => {
      const run = { node, start, length: node.length };
      start += node.length;
      return run;
    });
    // Something in this browser that changes texts must not misplace marks: what differs is no text of the output.
    return runs.filter(({ node, start: at }) => text.startsWith(node.data, at));
  });
}

// Characters that are shown for others: a selection may run over them, but none is made of them alone.
function standInsIn(view, offsets) {
  return [...view.querySelectorAll("[data-unmapped][data-from]")].flatMap((element) => {
    const start = offsets.toUnits(Number(element.dataset.from));
    const length = offsets.toUnits(Number(element.dataset.to)) - start;
    return textNodes(element).map((node) => ({ node, start, length, isStandIn: true }));
  });
}

function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}
