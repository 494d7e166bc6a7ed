// Adds to a page that is complete without it: quick tooltips, sorting of tables, and filters for its own script to use.
const byId = (id) => document.getElementById(id);
document.documentElement.classList.add("js");

// Tooltips: what <title> says, at once and on touch; the title becomes the element's label.
const tip = document.body.appendChild(document.createElement("div"));
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
tip.dir = "auto";

function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + 12), innerWidth - box.width - 8);
  const above = y - box.height - 12;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above < 8 ? y + 18 : above}px`;
}

function tipOf(target) {
  const marked = target.closest?.("svg.chart use, svg.chart g, svg.chart");
  for (let at = marked; at && at.closest("svg.chart"); at = at.parentNode) {
    const title = [...at.children].find((child) => child.localName === "title");
    if (title) {
      at.dataset.tip = title.textContent;
      at.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    if (at.dataset.tip) return at.dataset.tip;
  }
  return "";
}

document.addEventListener("pointerover", (event) => {
  if (event.target.closest?.(".scatter")) return;
  const text = tipOf(event.target);
  if (text) showTip(text, event.clientX, event.clientY);
  else tip.hidden = true;
});
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

// Tables: sorted by those of their headers that say how ("number" or "text").
function sortable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const value = (row, column, isNumber) => {
    const found = row.cells[column].dataset.value;
    return isNumber ? (found === undefined ? -Infinity : Number(found)) : found ?? "";
  };
  for (const head of table.tHead.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.dataset.sort === "number";
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const column = head.cellIndex;
      const compare = (a, b) => (isNumber ? a - b || 0 : a.localeCompare(b));
      body.append(...rows.sort((a, b) => sign * compare(value(a, column, isNumber), value(b, column, isNumber))));
    });
  }
}
for (const table of document.querySelectorAll("table:has(th[data-sort])")) sortable(table);

// Filters: of elements with a data-kind, those of the kind chosen in NAME-kind whose name has what is typed in NAME-name.
function filterable(name, elements, nameOf) {
  const [kind, typed, shown] = ["kind", "name", "count"].map((part) => byId(`${name}-${part}`));
  const filter = () => {
    const wanted = typed.value.trim().toLowerCase();
    let count = 0;
    for (const one of elements) {
      const isShown = (!kind.value || one.dataset.kind === kind.value) && nameOf(one).includes(wanted);
      one.hidden = !isShown;
      count += isShown;
    }
    shown.textContent = count === elements.length ? "" : `${count} of ${elements.length} shown`;
  };
  kind.addEventListener("change", filter);
  typed.addEventListener("input", filter);
  typed.closest(".controls").hidden = false;
}

// Printed, everything is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], .unprinted)")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
