// The points of one or more panels: pointing at one shows its image, clicking two asks for their exchange.
const REACH = 14;
const shown = element.querySelector(".shown"), panels = element.querySelector(".panels");
let value = null, chosen = [];

const circlesOf = i => [...panels.querySelectorAll("svg")].map(svg => svg.children[i]);
const mark = (i, name, on) => circlesOf(i).forEach(circle => circle.classList.toggle(name, on));

function show(i, event) {
  panels.querySelectorAll(".near").forEach(circle => circle.classList.remove("near"));
  shown.hidden = i === null;
  if (i === null) return;
  mark(i, "near", true);
  shown.querySelector("img").src = value.images[i];
  shown.querySelector("span").textContent = value.names[i];
  const box = element.getBoundingClientRect();
  shown.style.left = Math.max(0, Math.min(event.clientX - box.left + 12, box.width - 140)) + "px";
  shown.style.top = event.clientY - box.top + 12 + "px";
}

function choose(i) {
  if (i === null) return;
  if (chosen.length === 2) { chosen.forEach(other => mark(other, "chosen", false)); chosen = []; }
  if (chosen.includes(i)) { mark(i, "chosen", false); chosen = chosen.filter(other => other !== i); return; }
  chosen.push(i);
  mark(i, "chosen", true);
  if (chosen.length === 2) trigger("select", {first: chosen[0], second: chosen[1]});
}

function nearest(svg, event) {
  const box = svg.getBoundingClientRect(), scale = 400 / box.width;
  const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
  let found = null, least = (REACH * Math.max(1, scale)) ** 2;
  [...svg.children].forEach((circle, i) => {
    const distance = (circle.cx.baseVal.value - x) ** 2 + (circle.cy.baseVal.value - y) ** 2;
    if (distance < least) { found = i; least = distance; }
  });
  return found;
}

function drawn(panel) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.textContent = `${panel.title}: ${panel.meaning}`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 400 400");
  panel.points.forEach(([x, y], i) => {
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    circle.setAttribute("cx", x); circle.setAttribute("cy", y); circle.setAttribute("r", 4);
    circle.setAttribute("fill", value.colours[i]);
    svg.append(circle);
  });
  svg.addEventListener("pointermove", event => show(nearest(svg, event), event));
  svg.addEventListener("pointerleave", () => show(null));
  svg.addEventListener("click", event => choose(nearest(svg, event)));
  figure.append(caption, svg);
  return figure;
}

function draw() {
  value = props.value;
  chosen = [];
  const legend = element.querySelector(".legend");
  legend.replaceChildren(...(value ? value.legend : []).map(([name, colour]) => {
    const entry = document.createElement("span");
    entry.textContent = name;
    entry.style.setProperty("--dot", colour);
    return entry;
  }));
  panels.replaceChildren(...(value ? value.panels : []).map(drawn));
}

watch("value", draw);
draw();
