// The sheet of keys behind "?".

export function fill(root, keymap, tags) {
  const groups = Map.groupBy?.(keymap.actions, ({ group }) => group) ?? grouped(keymap.actions);
  const sections = [...groups].map(([group, actions]) => section(group, actions));
  const keyed = tags.filter(({ key }) => key).map(({ key, name }) => ({ keys: [key], says: name }));
  if (keyed.length) sections.push(section("Tags", keyed));
  root.replaceChildren(...sections);
}

function section(title, rows) {
  const made = element("section");
  const list = element("dl");
  for (const { keys, says } of rows) {
    const values = element("dd");
    values.append(...keys.map((key) => element("kbd", shown(key))));
    list.append(element("dt", says), values);
  }
  made.append(element("h3", title), list);
  return made;
}

const ARROWS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const shown = (key) => key.replace(/Arrow\w+/, (arrow) => ARROWS[arrow]).replace(/^Ctrl\+([A-Z])$/, "Ctrl+Shift+$1");

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
