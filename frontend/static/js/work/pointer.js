// Mouse, pen and finger: drag over words, or click the first and the last; click a highlight to change its severity.

const SETTLED_MS = 250;

export function listen({ map, cursor, isMarked, onMarkClicked }) {
  const root = map.root;
  let isWaiting = false; // a first click was made, the next one selects
  let wasDragged = false;
  let timer = 0;

  const pick = (event) => {
    const span = selected(map);
    if (!span) return false;
    cursor.select(span, { isExact: event.shiftKey === true });
    isWaiting = false;
    return true;
  };

  root.addEventListener("pointerdown", () => {
    wasDragged = false;
  });

  document.addEventListener("pointerup", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || !pick(event)) return;
    wasDragged = root.contains(event.target);
    getSelection().removeAllRanges(); // painted by us from here on
  });

  // A finger selects by holding and dragging the handles, which stay where they are.
  document.addEventListener("selectionchange", () => {
    clearTimeout(timer);
    if (!matchMedia("(pointer: coarse)").matches) return;
    timer = setTimeout(() => pick({}), SETTLED_MS);
  });

  root.addEventListener("click", (event) => {
    if (wasDragged) {
      wasDragged = false;
      return;
    }
    const unit = map.characterAt(event.clientX, event.clientY);
    if (unit < 0) {
      isWaiting = false;
      cursor.clear();
    } else if (!isWaiting && isMarked(unit)) {
      onMarkClicked(unit);
    } else {
      cursor.click(unit, { isSecond: isWaiting });
      isWaiting = !isWaiting && cursor.index !== null;
    }
  });

  // Keys and tags end what a first click began.
  return () => {
    isWaiting = false;
  };
}

// The browser's own selection inside the text, or null.
function selected(map) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(map.root)) return null;
  const start = map.offset(range.startContainer, range.startOffset);
  const end = map.offset(range.endContainer, range.endOffset);
  return start < end ? { start, end } : null;
}
