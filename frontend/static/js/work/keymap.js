// Which key does what. The one place where keys are named; a stored change of it overrides the defaults.

const STORED = "negativa.keys";

export const DEFAULTS = {
  left: { keys: ["ArrowLeft"], group: "Move", says: "word before" },
  right: { keys: ["ArrowRight"], group: "Move", says: "word after" },
  up: { keys: ["ArrowUp"], group: "Move", says: "line above" },
  down: { keys: ["ArrowDown"], group: "Move", says: "line below" },
  nextSentence: { keys: ["j"], group: "Move", says: "next sentence" },
  previousSentence: { keys: ["k"], group: "Move", says: "sentence before" },
  extendLeft: { keys: ["Shift+ArrowLeft"], group: "Select", says: "extend to the word before" },
  extendRight: { keys: ["Shift+ArrowRight"], group: "Select", says: "extend to the word after" },
  extendUp: { keys: ["Shift+ArrowUp"], group: "Select", says: "extend by a line up" },
  extendDown: { keys: ["Shift+ArrowDown"], group: "Select", says: "extend by a line down" },
  sentence: { keys: ["v"], group: "Select", says: "the whole sentence" },
  clear: { keys: ["Escape"], group: "Select", says: "nothing" },
  omission: { keys: ["o"], group: "Mark", says: "the next tag is an omission" },
  minor: { keys: ["m"], group: "Mark", says: "minor; again: critical" },
  major: { keys: ["M"], group: "Mark", says: "major; again: critical" },
  critique: { keys: ["e"], group: "Mark", says: "write the critique" },
  correction: { keys: ["r"], group: "Mark", says: "write the correction" },
  remove: { keys: ["Delete", "Backspace"], group: "Mark", says: "remove the violation" },
  undo: { keys: ["Ctrl+z"], group: "Mark", says: "undo (also the last submit, for 10 s)" },
  redo: { keys: ["Ctrl+y", "Ctrl+Z"], group: "Mark", says: "redo" },
  nothingWrong: { keys: ["g"], group: "Judge", says: "nothing wrong" },
  cannotTell: { keys: ["c"], group: "Judge", says: "cannot tell" },
  skip: { keys: ["s"], group: "Judge", says: "skip" },
  submit: { keys: ["Ctrl+Enter"], group: "Judge", says: "submit and next" },
  help: { keys: ["?"], group: "Judge", says: "this list" },
};

export class Keymap {
  constructor(tags) {
    this.stored = read();
    this.actions = Object.entries(DEFAULTS).map(([name, action]) => ({
      name,
      ...action,
      keys: this.stored.keys?.[name] ?? action.keys,
    }));
    this.byKey = new Map(tags.filter((tag) => tag.key).map((tag) => [tag.key, { tag: tag.slug }]));
    for (const action of this.actions) for (const key of action.keys) this.byKey.set(key, { action: action.name });
  }

  // Single keys can be switched off by whoever speaks to the computer or shakes.
  get hasSingleKeys() {
    return this.stored.single !== false;
  }

  set hasSingleKeys(isOn) {
    this.stored.single = isOn;
    write(this.stored);
  }

  // What the pressed key asks for: { action }, { tag }, or null.
  asked(event) {
    const key = nameOf(event);
    if (!key || (key.length === 1 && !this.hasSingleKeys)) return null;
    return this.byKey.get(key) ?? null;
  }
}

// "m", "M", "Shift+ArrowLeft", "Ctrl+Enter". Command is Ctrl on a Mac. Alt belongs to the browser.
function nameOf(event) {
  if (event.altKey || event.isComposing) return "";
  const key = latin(event);
  const isControl = event.ctrlKey || event.metaKey;
  const isNamed = key.length > 1;
  return `${isControl ? "Ctrl+" : ""}${isNamed && event.shiftKey ? "Shift+" : ""}${key}`;
}

// On a keyboard of another script the letter printed at the key's place counts.
function latin({ key, code, shiftKey }) {
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  if (!letter || key.length !== 1 || key.charCodeAt(0) < 128) return key;
  return shiftKey ? letter : letter.toLowerCase();
}

export function isTyping(target) {
  return Boolean(target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]"));
}

export function isInDialog() {
  return Boolean(document.querySelector("dialog[open]") ?? opened());
}

function opened() {
  try {
    return document.querySelector(":popover-open");
  } catch {
    return null; // a browser without popovers has none open
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}

function write(stored) {
  try {
    localStorage.setItem(STORED, JSON.stringify(stored));
  } catch {
    // The choice lasts as long as the page.
  }
}
