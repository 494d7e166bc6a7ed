// Adds to the report: filtering of the task table, the linked map.
const tasks = byId("tasks-table");
if (tasks) filterable("tasks", [...tasks.tBodies[0].rows], (row) => row.cells[0].dataset.value);

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
