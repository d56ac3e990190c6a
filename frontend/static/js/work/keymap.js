// Which key asks for what. The actions and their usual keys come from the server (annotate/accounts/keys.py).

const FREE_KEYS = "1234567890abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const HELD = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Fn", "NumLock"]);
const UNFINISHED = new Set(["Dead", "Process", "Compose", "Unidentified"]);
const isMac = /^(Mac|iP)/.test(navigator.platform);

export class Keymap {
  #byKey = new Map(); // key -> { action } or { tag }
  #tagKeys = new Map(); // slug -> key

  // `preferences` as frontend/preferences.py makes them. `moved` has the tags whose own key is the person's for an
  // action: those have another one here.
  constructor(tags, preferences) {
    this.actions = preferences.actions;
    this.hasSingleKeys = preferences.single_keys; // off for whoever speaks to the computer or shakes
    for (const { name, keys } of this.actions) for (const key of keys) this.#byKey.set(key, { action: name });
    const keyed = tags.filter(({ key }) => key);
    this.moved = keyed.filter((tag) => !this.#give(tag.key, tag));
    for (const tag of this.moved) this.#give([...FREE_KEYS].find((key) => !this.#byKey.has(key)), tag);
  }

  #give(key, { slug }) {
    if (!key || this.#byKey.has(key)) return false;
    this.#byKey.set(key, { tag: slug });
    this.#tagKeys.set(slug, key);
    return true;
  }

  // The key of a tag here; "" for one that has none and is chosen from the list.
  keyOf(slug) {
    return this.#tagKeys.get(slug) ?? "";
  }

  // What the button of an action shows.
  labelOf(name) {
    return shown(this.actions.find((action) => action.name === name)?.keys[0] ?? "");
  }

  // What the pressed key asks for: { action }, { tag }, or null. In dialogs and popovers, nothing. While somebody types,
  // only to submit by a key that types nothing ("submit"), and to leave the field ("clear", always by Escape).
  asked(event) {
    if (event.defaultPrevented || isInDialog()) return null;
    const names = namesOf(event).filter((name) => this.hasSingleKeys || name.length > 1);
    const asked = this.#byKey.get(names.find((name) => this.#byKey.has(name))) ?? null;
    if (!isTyping(event.target)) return asked;
    if (event.key === "Escape" && names.length) return { action: "clear" };
    return asked?.action === "submit" && /^(Ctrl\+.|F\d)/.test(names[0]) ? asked : null;
  }
}

// The names a pressed key answers to, as annotate/accounts/keys.py writes them; the one it prints comes first.
export function namesOf(event) {
  if (event.altKey || event.isComposing || event.keyCode === 229) return [];
  if (HELD.has(event.key) || UNFINISHED.has(event.key) || !event.key) return [];
  return charactersOf(event).map((key) => nameOf(key, event));
}

function nameOf(key, { shiftKey, ctrlKey, metaKey }) {
  const hasControl = ctrlKey || metaKey; // Command is Ctrl on a Mac; Alt belongs to the browser
  const name = key === " " ? "Space" : key;
  if (name.length > 1) return `${hasControl ? "Ctrl+" : ""}${shiftKey ? "Shift+" : ""}${name}`;
  if (!hasControl) return name;
  return isLetter(name) ? `Ctrl+${shiftKey ? "Shift+" : ""}${name.toUpperCase()}` : `Ctrl+${name}`;
}

const isLetter = (key) => key.toLowerCase() !== key.toUpperCase();
const isLatin = (key) => /^\p{Script=Latin}$/u.test(key);

// The character that the key types, then the one printed at its place where the layout types something else there:
// a Latin letter on keyboards of other scripts, a digit where digits need Shift or are written otherwise.
function charactersOf(event) {
  const { key, code = "", shiftKey } = event;
  if (/^[A-Z]\w+$/.test(key)) return [key]; // "Delete"
  const typed = cased(event);
  if (event.getModifierState?.("AltGraph")) return [typed];
  const [, letter, digit] = /^(?:Key([A-Z])|Digit(\d))$/.exec(code) ?? [];
  if (letter && isLetterOfAnotherScript(key)) return [typed, shiftKey ? letter : letter.toLowerCase()];
  if (digit && !shiftKey && key !== digit) return [typed, digit];
  return [typed];
}

const isLetterOfAnotherScript = (key) => /^[\p{L}\p{M}]+$/u.test(key) && !isLatin(key);

// Shift decides between "m" and "M", whatever Caps Lock and Command do to them.
function cased(event) {
  const { key, shiftKey } = event;
  if (!isLetter(key)) return key;
  if (shiftKey) return key.toUpperCase();
  return event.getModifierState?.("CapsLock") ? key.toLowerCase() : key;
}

const SHOWN = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

// A key as people read it.
export function shown(key) {
  return key.replace(/Arrow\w+/, (arrow) => SHOWN[arrow]).replace(/^Ctrl(?=\+)/, isMac ? "Cmd" : "Ctrl");
}

export function isTyping(target) {
  if (target.isContentEditable) return true;
  return Boolean(target.closest?.("input:not([type=checkbox], [type=button], [type=submit]), textarea, select"));
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
