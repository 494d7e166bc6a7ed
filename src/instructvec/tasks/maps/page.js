// Adds to the page of a map: the points themselves, what is pointed at, search, filters, zoom. Texts become text nodes only.
const data = JSON.parse(byId("text-map").textContent);
const { texts, codes, groups } = data;
const N = texts.length;
const GRID = 10000;
const MARGIN = 18;
const search = byId("map-search");
const reader = byId("reader");
const found = byId("found");
const names = byId("map-names");
const legend = document.querySelector(".groups");
const lowered = texts.map((text) => text.toLowerCase());

// A fixed order in which no class covers all others.
const order = [...Array(N).keys()].sort((a, b) => ((a * 2654435761) % 4294967296) - ((b * 2654435761) % 4294967296));

const view = { zoom: 1, x: GRID / 2, y: GRID / 2 };
const chosen = new Set();
let matched = null;
let pointed = -1;
let kept = -1;
let palette = null;

const panels = [...document.querySelectorAll("canvas.scatter")].map((canvas, at) => ({
  canvas, ...data.panels[at], width: 0, height: 0, scale: 1, layer: document.createElement("canvas"), isStale: true,
}));

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  const stops = [0, 1, 2, 3, 4].map((at) => rgb(value(`s${at}`)));
  palette = {
    ink: value("ink"), ground: value("raised"), none: value("mn"), plain: value("m0"),
    groups: groups.map((group) => value(group.colour)), stops, sprites: new Map(),
  };
}
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// Of a scale, colours run smoothly; 33 steps of it are drawn once each.
function onScale(place) {
  const at = Math.round(place * 32) / 32 * 4;
  const low = Math.min(Math.floor(at), 3);
  return `rgb(${palette.stops[low].map((from, i) => Math.round(from + (palette.stops[low + 1][i] - from) * (at - low))).join(" ")})`;
}

function colourOf(row) {
  if (data.places) return data.places[row] === null ? palette.none : onScale(data.places[row]);
  return groups.length ? palette.groups[codes[row]] : palette.plain;
}

function outline(context, shape, x, y, r) {
  context.beginPath();
  if (shape === "square") context.rect(x - r * .9, y - r * .9, r * 1.8, r * 1.8);
  else if (shape === "triangle") { context.moveTo(x, y - r * 1.2); context.lineTo(x + r * 1.15, y + r * .9); context.lineTo(x - r * 1.15, y + r * .9); context.closePath(); }
  else if (shape === "diamond") { context.moveTo(x, y - r * 1.3); context.lineTo(x + r * 1.3, y); context.lineTo(x, y + r * 1.3); context.lineTo(x - r * 1.3, y); context.closePath(); }
  else context.arc(x, y, r, 0, 2 * Math.PI);
}

function sprite(colour, shape, r, ratio) {
  const key = `${colour} ${shape} ${r} ${ratio}`;
  if (!palette.sprites.has(key)) {
    const size = Math.ceil((r * 2.6 + 3) * ratio);
    const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    outline(context, shape, size / ratio / 2, size / ratio / 2, r);
    context.fillStyle = colour;
    context.globalAlpha = .82;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = .7;
    context.strokeStyle = palette.ground;
    context.stroke();
    palette.sprites.set(key, { canvas, size: size / ratio });
  }
  return palette.sprites.get(key);
}

const radius = () => Math.max(1.7, 7 - 1.15 * Math.log10(N + 1)) * Math.min(1.9, Math.pow(view.zoom, .3));
const isShown = (row) => !chosen.size || chosen.has(codes[row]);
const isLit = (row) => isShown(row) && (!matched || matched.has(row));

function place(panel, row) {
  return [
    panel.width / 2 + (panel.x[row] - view.x) * panel.scale * view.zoom,
    panel.height / 2 + (panel.y[row] - view.y) * panel.scale * view.zoom,
  ];
}

// The points are drawn on a layer of their own, which what is pointed at leaves as it is.
function draw(panel) {
  const { canvas, layer } = panel;
  const ratio = devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  panel.width = box.width;
  panel.height = box.height;
  panel.scale = (Math.min(box.width, box.height) - 2 * MARGIN) / GRID;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  const isResized = canvas.width !== width || canvas.height !== height;
  if (isResized) for (const one of [canvas, layer]) Object.assign(one, { width, height });
  if (isResized || panel.isStale) drawPoints(panel, layer.getContext("2d"), ratio);
  panel.isStale = false;
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  context.drawImage(layer, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const row = pointed >= 0 ? pointed : kept;
  if (row >= 0) ring(panel, context, row, radius());
}

function drawPoints(panel, context, ratio) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, panel.width, panel.height);
  const r = radius();
  for (const lit of [false, true]) {
    context.globalAlpha = lit ? 1 : .16;
    for (const row of order) {
      if (isLit(row) !== lit) continue;
      const [x, y] = place(panel, row);
      if (x < -9 || y < -9 || x > panel.width + 9 || y > panel.height + 9) continue;
      const one = sprite(lit ? colourOf(row) : palette.none, groups[codes[row]]?.shape ?? "dot", r, ratio);
      context.drawImage(one.canvas, x - one.size / 2, y - one.size / 2, one.size, one.size);
    }
  }
  context.globalAlpha = 1;
  if (names?.checked) drawNames(panel, context);
}

function ring(panel, context, row, r) {
  const [x, y] = place(panel, row);
  context.strokeStyle = palette.ink;
  context.lineWidth = 1;
  context.globalAlpha = .55;
  for (const other of panel.nearest?.[row] ?? []) {
    const [to, down] = place(panel, other);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(to, down);
    context.stroke();
  }
  context.globalAlpha = 1;
  const one = sprite(colourOf(row), groups[codes[row]]?.shape ?? "dot", r * 1.35, devicePixelRatio || 1);
  context.drawImage(one.canvas, x - one.size / 2, y - one.size / 2, one.size, one.size);
  context.lineWidth = 2.2;
  context.beginPath();
  context.arc(x, y, r * 1.35 + 4, 0, 2 * Math.PI);
  context.stroke();
}

// The name of a class stands at the median of its points, unless a larger class's name is there.
const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
for (const panel of panels) {
  panel.middles = groups.map((group, code) => {
    if (!data.naming || /^m[xn]$/.test(group.colour)) return null;
    const rows = [...Array(N).keys()].filter((row) => codes[row] === code);
    return rows.length ? [middle(rows.map((row) => panel.x[row])), middle(rows.map((row) => panel.y[row]))] : null;
  });
}

function drawNames(panel, context) {
  const taken = [];
  context.font = "600 12.5px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  groups.forEach((group, code) => {
    if (!panel.middles[code] || (chosen.size && !chosen.has(code))) return;
    const name = group.name.length > 28 ? `${group.name.slice(0, 27)}…` : group.name;
    const half = context.measureText(name).width / 2 + 3;
    const at = panel.width / 2 + (panel.middles[code][0] - view.x) * panel.scale * view.zoom;
    if (at < 0 || at > panel.width) return;
    const x = Math.min(Math.max(at, half), panel.width - half);
    let y = panel.height / 2 + (panel.middles[code][1] - view.y) * panel.scale * view.zoom;
    const isTaken = () => taken.some(([tx, ty, th]) => Math.abs(tx - x) < th + half && Math.abs(ty - y) < 16);
    for (let tries = 0; isTaken() && tries < 6; tries += 1) y += 16;
    if (isTaken() || y < 6 || y > panel.height - 6) return;
    taken.push([x, y, half]);
    context.lineWidth = 4;
    context.strokeStyle = palette.ground;
    context.globalAlpha = .9;
    context.strokeText(name, x, y);
    context.globalAlpha = 1;
    context.fillStyle = palette.ink;
    context.fillText(name, x, y);
  });
}

let asked = 0;
function redraw() {
  for (const panel of panels) panel.isStale = true;
  ringAnew();
}
function ringAnew() {
  if (asked) return;
  asked = requestAnimationFrame(() => {
    asked = 0;
    panels.forEach(draw);
  });
}

function labelOf(row) {
  if (data.values) return `${data.label || "value"}: ${data.values[row] ?? "none"}`;
  if (!groups.length) return "";
  const name = data.every[data.labels[row]] ?? "none";
  return data.label ? `${data.label}: ${name}` : name;
}

function made(name, text, cls) {
  const one = document.createElement(name);
  if (text !== undefined) one.textContent = text;
  if (cls) one.className = cls;
  one.dir = "auto";
  return one;
}

function listed(rows, isButton) {
  return rows.map((row) => {
    const item = made("li");
    const text = made(isButton ? "button" : "i", texts[row].slice(0, 200) || "(empty)");
    if (isButton) {
      text.type = "button";
      text.addEventListener("click", () => keep(row));
    } else text.style.fontStyle = "normal";
    item.append(text, " ", made("span", labelOf(row)));
    return item;
  });
}

function show(row) {
  reader.replaceChildren();
  if (row < 0) return;
  reader.append(made("p", texts[row] || "(empty)"));
  reader.append(made("p", [labelOf(row), `row ${data.rows[row]}`].filter(Boolean).join(", "), "about"));
  if (!panels[0].nearest) return;
  const sides = made("div", undefined, "sides");
  for (const panel of panels) {
    const side = made("div");
    const list = made("ol");
    list.append(...listed(panel.nearest[row], false));
    side.append(made("p", panels.length > 1 ? `Nearest ${panel === panels[0] ? "under the first" : "under the second"}` : "Nearest", "about"), list);
    sides.append(side);
  }
  reader.append(sides);
}

function point(row) {
  if (row === pointed) return;
  pointed = row;
  show(row >= 0 ? row : kept);
  ringAnew();
}

function keep(row) {
  kept = row;
  pointed = -1;
  show(row);
  ringAnew();
}

function nearest(panel, x, y, reach) {
  let best = -1;
  let least = reach ** 2;
  for (let row = 0; row < N; row += 1) {
    if (!isLit(row)) continue;
    const [px, py] = place(panel, row);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [best, least] = [row, distance];
  }
  return best;
}

// Zoom and place are shared, since the maps lie on each other as well as they can.
function zoom(factor, panel, x, y) {
  const next = Math.min(60, Math.max(1, view.zoom * factor));
  if (panel) {
    view.x += ((x - panel.width / 2) / panel.scale) * (1 / view.zoom - 1 / next);
    view.y += ((y - panel.height / 2) / panel.scale) * (1 / view.zoom - 1 / next);
  }
  view.zoom = next;
  if (next === 1) Object.assign(view, { x: GRID / 2, y: GRID / 2 });
  redraw();
}
byId("zoom-in").addEventListener("click", () => zoom(1.6));
byId("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
byId("zoom-all").addEventListener("click", () => zoom(0));

for (const panel of panels) {
  const { canvas } = panel;
  let held = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => { held = { x: event.clientX, y: event.clientY, moved: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (held && view.zoom > 1 && event.buttons) {
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (held.moved || Math.hypot(dx, dy) > 4) {
        canvas.setPointerCapture(event.pointerId);
        canvas.classList.add("moving");
        view.x -= dx / panel.scale / view.zoom;
        view.y -= dy / panel.scale / view.zoom;
        held = { x: event.clientX, y: event.clientY, moved: true };
        tip.hidden = true;
        return redraw();
      }
    }
    const row = nearest(panel, ...at(event), 16);
    point(row);
    if (row < 0) tip.hidden = true;
    else showTip([texts[row].length > 240 ? `${texts[row].slice(0, 239)}…` : texts[row], labelOf(row)].filter(Boolean).join("\n"), event.clientX, event.clientY);
    return undefined;
  });
  canvas.addEventListener("pointerup", (event) => {
    canvas.classList.remove("moving");
    if (held && !held.moved) keep(nearest(panel, ...at(event), 16));
    held = null;
  });
  canvas.addEventListener("pointerleave", () => { point(-1); tip.hidden = true; });
  canvas.addEventListener("dblclick", (event) => zoom(2, panel, ...at(event)));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 200), panel, ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => step(panel, event));
}

// Arrow keys go to the nearest text in their direction.
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function step(panel, event) {
  if (event.key === "Escape") return keep(-1);
  if (event.key === "+" || event.key === "=") return zoom(1.6);
  if (event.key === "-") return zoom(1 / 1.6);
  if (event.key === "Enter" && pointed >= 0) return keep(pointed);
  const way = WAYS[event.key];
  if (!way) return undefined;
  event.preventDefault();
  const from = pointed >= 0 ? pointed : kept;
  if (from < 0) return keep(nearest(panel, panel.width / 2, panel.height / 2, Infinity));
  const [x, y] = place(panel, from);
  let best = -1;
  let least = Infinity;
  for (let row = 0; row < N; row += 1) {
    if (row === from || !isLit(row)) continue;
    const [px, py] = place(panel, row);
    const along = (px - x) * way[0] + (py - y) * way[1];
    const aside = Math.abs((px - x) * way[1] - (py - y) * way[0]);
    if (along > .5 && along + 2 * aside < least) [best, least] = [row, along + 2 * aside];
  }
  return best >= 0 ? keep(best) : undefined;
}

function look() {
  const words = search.value.trim().toLowerCase();
  matched = null;
  if (words) {
    matched = new Set();
    lowered.forEach((text, row) => { if (text.includes(words)) matched.add(row); });
  }
  const rows = matched ? [...matched].filter(isShown) : [];
  byId("map-count").textContent = matched ? `${rows.length.toLocaleString("en")} of ${N.toLocaleString("en")} texts` : "";
  found.hidden = !rows.length;
  found.replaceChildren(...listed(rows.slice(0, 30), true));
  if (rows.length > 30) found.append(made("p", `and ${(rows.length - 30).toLocaleString("en")} more`, "about"));
  redraw();
}
search.addEventListener("input", look);
names?.addEventListener("change", redraw);

// The first click shows a class alone, more add to it; with none or all of them, everything is shown.
legend?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const code = Number(button.dataset.group);
  if (!chosen.delete(code)) chosen.add(code);
  if (chosen.size === groups.length) chosen.clear();
  for (const one of legend.querySelectorAll("button")) one.setAttribute("aria-pressed", chosen.has(Number(one.dataset.group)));
  legend.classList.toggle("some", chosen.size > 0);
  look();
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); redraw(); });
new ResizeObserver(redraw).observe(document.body);
readPalette();
panels.forEach(draw);
