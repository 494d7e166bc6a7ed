// Adds to a page that is complete without it: sorting and filtering of the task table, quick tooltips, the linked map.
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

// The task table: sorted by its headers, filtered by kind and name.
const tasks = byId("tasks-table");
if (tasks) {
  const body = tasks.tBodies[0];
  const rows = [...body.rows];
  const value = (row, column, isNumber) => {
    const found = row.cells[column].dataset.value;
    return isNumber ? (found === undefined ? -Infinity : Number(found)) : found ?? "";
  };
  for (const head of tasks.tHead.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.dataset.sort === "number";
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of tasks.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const column = head.cellIndex;
      const compare = (a, b) => (isNumber ? a - b || 0 : a.localeCompare(b));
      body.append(...rows.sort((a, b) => sign * compare(value(a, column, isNumber), value(b, column, isNumber))));
    });
  }
  const kind = byId("tasks-kind");
  const name = byId("tasks-name");
  const filter = () => {
    const wanted = name.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const isShown = (!kind.value || row.dataset.kind === kind.value) && row.cells[0].dataset.value.includes(wanted);
      row.hidden = !isShown;
      count += isShown;
    }
    byId("tasks-count").textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };
  kind.addEventListener("change", filter);
  name.addEventListener("input", filter);
  kind.closest(".controls").hidden = false;
}

// The map: the same text is ringed in both panels; a legend entry shows its own points alone while pointed at.
const data = byId("map-data");
if (data) {
  const { texts, goals, labels } = JSON.parse(data.textContent);
  const map = document.querySelector(".map");
  const panels = [...map.querySelectorAll(".scatter")].map((svg) => {
    const circles = [...svg.querySelectorAll(".points circle")];
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", 8);
    ring.setAttribute("visibility", "hidden");
    svg.append(ring);
    return { svg, circles, ring, places: circles.map((one) => [one.cx.baseVal.value, one.cy.baseVal.value]) };
  });
  const clear = () => {
    tip.hidden = true;
    for (const { ring } of panels) ring.setAttribute("visibility", "hidden");
  };
  for (const { svg, places } of panels) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * 400;
      const y = ((event.clientY - box.top) / box.height) * 400;
      let nearest = -1;
      let least = 14 ** 2;
      places.forEach(([px, py], at) => {
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [nearest, least] = [at, distance];
      });
      if (nearest < 0) return clear();
      for (const panel of panels) {
        panel.ring.setAttribute("cx", panel.places[nearest][0]);
        panel.ring.setAttribute("cy", panel.places[nearest][1]);
        panel.ring.setAttribute("visibility", "visible");
      }
      const said = goals.map((goal, at) => `${goal}: ${labels[at][nearest]}`).join(", ");
      return showTip(`${texts[nearest]}\n${said}`, event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", clear);
  }
  for (const entry of map.querySelectorAll(".legend li")) {
    const fade = (isOn) => {
      for (const { circles } of panels) {
        for (const one of circles) one.classList.toggle("faded", isOn && !one.classList.contains(entry.dataset.class));
      }
    };
    entry.addEventListener("pointerenter", () => fade(true));
    entry.addEventListener("pointerleave", () => fade(false));
  }
}

// Printed, everything is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
