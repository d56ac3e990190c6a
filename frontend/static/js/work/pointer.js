// Mouse, pen and finger: drag over words (over characters with Shift or Alt), or click the first and the last word;
// click a mark to pick it.

const SETTLED_MS = 250;

// Returns what ends a begun click-and-click: keys and tags do.
export function listen(reader, signal) {
  const { root } = reader;
  let isWaiting = false; // a first click was made, the next one selects
  let isDragging = false;
  let wasDragged = false;
  let timer = 0;

  const pick = (event) => {
    const span = selected(reader);
    if (span === false) reader.refuse();
    if (!span) return false;
    const { selection } = reader.cursor;
    const isExact = Boolean(event.shiftKey || event.altKey);
    const wanted = isExact ? span : reader.snapped(span);
    isWaiting = false;
    if (wanted && (wanted.start !== selection?.start || wanted.end !== selection?.end)) {
      reader.cursor.select(wanted, { isExact: true, isByPointer: true });
    }
    return true;
  };
  const on = (target, type, does) => target.addEventListener(type, does, { signal });

  on(root, "pointerdown", (event) => {
    wasDragged = false;
    isDragging = event.pointerType === "mouse" && event.button === 0;
    // With Shift the browser would go on from where its last selection began.
    if (isDragging && event.shiftKey) getSelection().removeAllRanges();
  });

  // What will be marked is shown while it is dragged over.
  on(document, "pointermove", (event) => {
    if (isDragging && event.buttons === 1 && reader.painter.isLive) pick(event);
  });

  on(document, "pointerup", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    isDragging = false;
    if (!pick(event)) return;
    wasDragged = root.contains(event.target);
    getSelection().removeAllRanges(); // painted by us from here on
  });

  // A finger selects by holding and dragging the browser's handles, which stay where they are.
  on(document, "selectionchange", () => {
    clearTimeout(timer);
    if (isDragging || !matchMedia("(pointer: coarse)").matches) return;
    timer = setTimeout(() => pick({}), SETTLED_MS);
  });

  on(root, "click", (event) => {
    if (wasDragged) {
      wasDragged = false;
      return;
    }
    const unit = reader.map.unitAt(event.clientX, event.clientY, (at) => reader.tokens.characterAt(at));
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

// The browser's own selection inside the text: a span, null, or false when the text does not say what is selected.
function selected({ map, root }) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  return range.intersectsNode(root) ? map.span(range) : null;
}
