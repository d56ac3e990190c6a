// Two handles under the ends of what a finger has selected; dragging one moves that end by characters.

const SIDES = ["start", "end"];

export class Handles {
  #reader;
  #elements = {};
  #isWanted = false; // the last thing that touched the text was a finger or a pen

  constructor(reader, signal) {
    this.#reader = reader;
    for (const side of SIDES) this.#elements[side] = this.#make(side, signal);
    const on = (target, type, does) => target.addEventListener(type, does, { signal });
    on(reader.root, "pointerdown", ({ pointerType }) => {
      this.#isWanted = pointerType !== "mouse";
    });
    on(document, "keydown", () => {
      this.#isWanted = false;
      this.hide();
    });
    on(document, "selectionchange", () => this.place());
    on(window, "resize", () => this.place());
  }

  hide() {
    for (const side of SIDES) this.#elements[side].hidden = true;
  }

  remove() {
    for (const side of SIDES) this.#elements[side].remove();
  }

  // Puts them where the held span ends now. While the browser shows handles of its own, ours would be two too many.
  place() {
    const { held, map, root } = this.#reader;
    if (!this.#isWanted || !held || !getSelection().isCollapsed) return this.hide();
    const rects = [...map.range(held.span.start, held.span.end).getClientRects()].filter(({ width }) => width);
    if (!rects.length) return this.hide();
    const frame = root.parentElement.getBoundingClientRect();
    const isRightToLeft = getComputedStyle(root).direction === "rtl";
    for (const side of SIDES) {
      const rect = side === "start" ? rects[0] : rects.at(-1);
      const isLeft = (side === "start") !== isRightToLeft;
      const element = this.#elements[side];
      element.hidden = false;
      element.style.left = `${(isLeft ? rect.left : rect.right) - frame.left}px`;
      element.style.top = `${rect.bottom - frame.top}px`;
    }
  }

  #make(side, signal) {
    const element = document.createElement("span");
    Object.assign(element, { className: `work-handle is-${side}`, hidden: true });
    element.setAttribute("aria-hidden", "true"); // keys and buttons do the same
    let grip = null;
    const on = (type, does) => element.addEventListener(type, does, { signal });
    on("pointerdown", (event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      const { left, top } = element.getBoundingClientRect();
      grip = { x: event.clientX - left, y: event.clientY - top };
    });
    on("pointermove", (event) => grip && this.#drag(side, event, grip));
    for (const type of ["pointerup", "pointercancel"]) on(type, () => (grip = null));
    this.#reader.root.after(element);
    return element;
  }

  // The line that a handle points at is the one above it.
  #drag(side, event, grip) {
    const { held, map, cursor } = this.#reader;
    if (!held) return;
    const box = this.#elements[side].getBoundingClientRect();
    const unit = map.caretAt(event.clientX - grip.x + box.width / 2, event.clientY - grip.y - 8);
    if (unit >= 0) cursor.moveEdge(held, side, unit);
    this.place();
  }
}
