// Mouse, pen and finger: drag over words (over characters with Shift or Alt), or click the first and the last word;
// click a mark to pick it.

const SETTLED_MS = 250;
const DRAGGED_PX = 8;

// Returns what ends a begun click-and-click: keys and tags do.
export function listen(reader, signal) {
  const { root } = reader;
  let isWaiting = false; // a first click was made, the next one selects
  let isDragging = false;
  let wasDragged = false;
  let from = null; // where the drag began
  let last = {}; // the last move: which keys are held
  let timer = 0;

  const pick = (event) => {
    const span = selected(reader) ?? under(event);
    if (span === null) return false;
    if (span === false) return refuse();
    const { selection } = reader.cursor;
    const isExact = Boolean(event.shiftKey || event.altKey);
    const wanted = isExact ? span : reader.snapped(span);
    isWaiting = false;
    if (wanted && (wanted.start !== selection?.start || wanted.end !== selection?.end)) {
      reader.cursor.select(wanted, { isExact: true, isInView: true });
    }
    return true;
  };
  const refuse = () => {
    if (reader.cursor.selection) reader.cursor.deselect();
    if (!isDragging) reader.refuse();
    return true;
  };
  // A short drag, from the middle of one character to the middle of the next: to the browser, nothing lies between.
  const moved = ({ clientX, clientY }) => Math.hypot(clientX - from.x, clientY - from.y);
  const under = (event) => {
    if (!from || event.shiftKey || event.altKey || !(moved(event) >= DRAGGED_PX)) return null;
    const ends = [unitAt(reader, from.x, from.y), unitAt(reader, event.clientX, event.clientY)];
    const units = ends.sort((a, b) => a - b);
    return units[0] < 0 ? null : { start: units[0], end: units[1] + 1 };
  };
  const on = (target, type, does, options) => target.addEventListener(type, does, { signal, ...options });

  const begin = ({ clientX, clientY }) => {
    from = { x: clientX, y: clientY };
    isDragging = false;
  };
  on(document, "pointerdown", begin, { capture: true });

  on(root, "pointerdown", (event) => {
    wasDragged = false;
    isDragging = event.pointerType === "mouse" && event.button === 0;
    // With Shift the browser would go on from where its last selection began.
    if (isDragging && event.shiftKey) getSelection().removeAllRanges();
  });

  // What will be marked is shown while it is dragged over: the browser selects after the move and before the frame.
  const preview = () => {
    if (isDragging && last.buttons === 1 && reader.painter.isLive) pick(last);
  };
  on(document, "pointermove", (event) => {
    last = event;
    if (isDragging) requestAnimationFrame(preview);
  });

  on(document, "pointerup", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    // A click elsewhere is no drag, whatever the browser still has selected.
    const isOurs = isDragging || !from || moved(event) >= DRAGGED_PX;
    isDragging = false;
    if (!isOurs || !pick(event)) return;
    wasDragged = root.contains(event.target);
    getSelection().removeAllRanges(); // painted by us from here on
  });

  // A finger selects by holding and dragging the browser's handles, which stay where they are.
  on(document, "selectionchange", () => {
    clearTimeout(timer);
    preview(); // the text may scroll under a pointer that is still
    if (isDragging || !matchMedia("(pointer: coarse)").matches) return;
    timer = setTimeout(() => pick({}), SETTLED_MS);
  });

  on(root, "click", (event) => {
    if (wasDragged) {
      wasDragged = false;
      return;
    }
    const unit = unitAt(reader, event.clientX, event.clientY);
    const marked = unit < 0 ? undefined : reader.markedAt(unit);
    if (unit < 0) {
      isWaiting = false;
      reader.cursor.clear();
    } else if (!isWaiting && marked) {
      reader.onPick(marked.id);
    } else {
      reader.cursor.click(unit, { isSecond: isWaiting });
      isWaiting = !isWaiting && reader.cursor.place !== null;
    }
  });

  return () => {
    isWaiting = false;
  };
}

const unitAt = ({ map, tokens }, x, y) => map.unitAt(x, y, (at) => tokens.characterAt(at));

// The browser's own selection inside the text: a span, null, or false when the text does not say what is selected.
function selected({ map, root }) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  return range.intersectsNode(root) ? map.span(range) : null;
}
