// Add, remove and move the rows of a tag set. Without this module there are blank rows to fill and names to clear.

const list = document.getElementById("tag-rows");
let made = list.children.length;

const blank = [...list.children].filter((row) => !row.querySelector('[name="tag_name"]').value);
for (const row of blank.slice(1)) row.remove();
for (const row of list.children) addTools(row);
const add = button("Add a tag", () => {
  const row = list.lastElementChild.cloneNode(true);
  made += 1;
  row.querySelector(".tag-row-tools").remove();
  for (const error of row.querySelectorAll(".field-error")) error.remove();
  for (const field of row.querySelectorAll("input, textarea, select")) {
    if (field.tagName === "SELECT") field.selectedIndex = [...field.options].findIndex((each) => each.defaultSelected);
    else field.value = "";
    field.removeAttribute("aria-invalid");
    if (field.id) field.id = field.id.replace(/\d+$/, made);
  }
  row.querySelector(".tag-more").open = true;
  row.querySelector(".tag-more summary").textContent = "When to use it, and an example";
  for (const label of row.querySelectorAll("label")) label.htmlFor = label.htmlFor.replace(/\d+$/, made);
  addTools(row);
  list.append(row);
  row.querySelector('[name="tag_name"]').focus();
});
add.className = "button is-quiet add-tag";
list.after(add);

// A new campaign's address follows its name until somebody writes it themselves.
const slug = document.getElementById("slug");
const name = document.getElementById("name");
if (slug && name && !slug.value) {
  const follow = () => {
    slug.placeholder = slugOf(name.value) || "made from the name";
  };
  name.addEventListener("input", follow);
  follow();
}

function slugOf(text) {
  const plain = text.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase();
  return plain.replace(/[^\w\s-]/g, "").trim().replace(/[-\s]+/g, "-").slice(0, 60);
}

function addTools(row) {
  const tools = document.createElement("div");
  tools.className = "tag-row-tools";
  tools.append(
    button("Move up", () => move(row, row.previousElementSibling, "before")),
    button("Move down", () => move(row, row.nextElementSibling, "after")),
    button("Remove", () => remove(row)),
  );
  row.append(tools);
}

function move(row, neighbour, place) {
  if (!neighbour) return;
  const focused = document.activeElement;
  neighbour[place](row);
  focused.focus();
}

function remove(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  if (!next) return;
  row.remove();
  next.querySelector('[name="tag_name"]').focus();
}

function button(label, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button is-link";
  made.textContent = label;
  made.addEventListener("click", onClick);
  return made;
}
