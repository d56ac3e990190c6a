// The sheet of keys behind "?".

import { shown } from "./keymap.js";

export function fill(root, keymap, tags) {
  const sections = [...grouped(keymap.actions)].map(([group, actions]) => section(group, actions));
  const keyed = tags.map(({ slug, name }) => ({ keys: [keymap.keyOf(slug)], says: name })).filter(({ keys }) => keys[0]);
  if (keyed.length) sections.push(section("Tags", keyed));
  root.replaceChildren(...sections, ...notes(keymap));
}

function section(title, rows) {
  const made = element("section");
  const list = element("dl");
  for (const { keys, says, more } of rows) {
    const values = element("dd");
    values.append(...keys.map((key) => element("kbd", shown(key))));
    list.append(element("dt", more ? `${says} (${more})` : says), values);
  }
  made.append(element("h3", title), list);
  return made;
}

// A key cannot be both: what the person chose stays, the tag has another one here.
function notes(keymap) {
  return keymap.moved.map(({ slug, key, name }) => {
    const { says } = keymap.actions.find(({ keys }) => keys.includes(key));
    const now = keymap.keyOf(slug) ? `it is ${keymap.keyOf(slug)} here` : "choose it from the list";
    return element("p", `The campaign gives ${key} to “${name}”, but ${key} is your key for “${says}”: ${now}.`);
  });
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function grouped(actions) {
  const groups = new Map();
  for (const action of actions) groups.set(action.group, [...(groups.get(action.group) ?? []), action]);
  return groups;
}
