// The violations as a list of buttons and fields. Elements stay while their violation does, so that focus stays too.

export class List {
  constructor({ root, template, nameOf, quoteOf, onPick, onRemove, onUpdate }) {
    Object.assign(this, { root, template, nameOf, quoteOf, onPick, onRemove, onUpdate });
    this.load();
  }

  // Another sheet's violations follow; those with an id in `wrong` were refused.
  load(wrong = new Set()) {
    this.wrong = wrong;
    this.items = new Map();
    this.filled = new Map(); // an id to what its item says now
    this.root.replaceChildren();
  }

  show(violations, current) {
    const wanted = new Set(violations.map(({ id }) => id));
    for (const [id, item] of this.items) {
      if (wanted.has(id)) continue;
      item.remove();
      this.items.delete(id);
      this.filled.delete(id);
    }
    violations.forEach((violation, index) => {
      const item = this.items.get(violation.id) ?? this.#make(violation.id);
      if (this.root.children[index] !== item) this.root.insertBefore(item, this.root.children[index] ?? null);
      this.#refill(item, violation, index, violation.id === current);
    });
  }

  focusField(id, field) {
    this.items.get(id)?.querySelector(`[data-field="${field}"] textarea`).focus();
  }

  reveal(id) {
    this.items.get(id)?.scrollIntoView({ block: "nearest" });
  }

  #make(id) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    item.addEventListener("focusin", () => this.onPick(id));
    item.querySelector(".violation-pick").addEventListener("click", () => this.onPick(id));
    item.querySelector(".violation-remove").addEventListener("click", () => this.onRemove(id));
    for (const button of item.querySelectorAll("[data-severity]")) {
      button.addEventListener("click", () => this.onUpdate(id, { severity: button.dataset.severity }));
    }
    for (const label of item.querySelectorAll("[data-field]")) {
      const { field } = label.dataset;
      label.querySelector("textarea").addEventListener("input", (event) => {
        this.onUpdate(id, { [field]: event.target.value }, field);
      });
    }
    this.items.set(id, item);
    return item;
  }

  // Violations never change, they are replaced: the same one is in its item already. With 200 of them that matters.
  #refill(item, violation, index, isCurrent) {
    const before = this.filled.get(violation.id);
    if (before?.violation === violation && before.index === index && before.isCurrent === isCurrent) return;
    this.filled.set(violation.id, { violation, index, isCurrent });
    this.#fill(item, violation, index, isCurrent);
  }

  #fill(item, violation, index, isCurrent) {
    const tag = this.nameOf(violation);
    const quote = this.quoteOf(violation);
    item.classList.toggle("is-current", isCurrent);
    item.classList.toggle("is-wrong", this.wrong.has(violation.id));
    item.querySelector(".violation-tag").textContent = tag.name;
    item.querySelector(".violation-quote").textContent = quote;
    item.querySelector(".violation-quote").hidden = !quote;
    item.querySelector(".violation-scope").textContent = scopeOf(violation);
    const pick = item.querySelector(".violation-pick");
    pick.setAttribute("aria-pressed", isCurrent);
    pick.dataset.number = index + 1;
    item.querySelector(".violation-remove").setAttribute("aria-label", `Remove violation ${index + 1}, ${tag.name}`);
    item.querySelector(".severities").hidden = tag.severity_rule === "none";
    for (const button of item.querySelectorAll("[data-severity]")) {
      button.setAttribute("aria-pressed", button.dataset.severity === violation.severity);
    }
    for (const label of item.querySelectorAll("[data-field]")) {
      const box = label.querySelector("textarea");
      const value = violation[label.dataset.field];
      if (box.value !== value) box.value = value;
    }
  }
}

function scopeOf({ scope, start }) {
  if (scope === "whole") return "whole output";
  if (scope === "omission") return start === null ? "something is missing" : "something is missing here";
  return "";
}
