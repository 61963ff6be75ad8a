"use strict";
document.documentElement.classList.add("moving");

// a list that chooses which of several panels is shown
for (const choice of document.querySelectorAll(".choice")) {
  const panels = choice.querySelectorAll(":scope > .panel");
  const select = choice.querySelector("select");
  const show = () => panels.forEach((panel, i) => { panel.hidden = i !== select.selectedIndex; });
  select.addEventListener("change", show);
  show();  // a browser may keep the choice when it reloads a page
}

// tables that are sorted by a column; numbers first, largest first
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const text = row.cells[column].textContent;
    const value = parseFloat(text.replaceAll(",", ""));
    return [Number.isNaN(value) ? null : value, text];
  };
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.classList.contains("number");
      const was = head.getAttribute("aria-sort");
      const descending = was ? was === "ascending" : numbers;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const sign = descending ? -1 : 1;
      const rows = [...table.tBodies[0].rows].map((row) => [row, ...key(row, column)]);
      rows.sort(([, a, first], [, b, second]) => {
        if (!numbers) return sign * first.localeCompare(second);
        if (a === null || b === null) return (a === null) - (b === null);  // without a value: last
        return sign * (a - b);
      });
      table.tBodies[0].append(...rows.map(([row]) => row));
    });
  });
}

// images: filters, and a viewer that goes through those that pass them
// images of a gallery that are shown before a click on "show all"
const FIRST = matchMedia("(max-width: 600px)").matches ? 12 : 24;
const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

for (const gallery of document.querySelectorAll(".gallery")) {
  const data = JSON.parse(gallery.querySelector("script").textContent);
  const items = [...gallery.querySelectorAll(".shots > li")];
  const kinds = [...gallery.querySelectorAll(".kinds button")];
  const classes = gallery.querySelector("select");
  const score = gallery.querySelector("input[type=range]");
  const count = gallery.querySelector(".count");
  const more = gallery.querySelector(".more");
  const viewer = gallery.querySelector("dialog");
  const stage = viewer.querySelector(".stage");
  const closeUp = viewer.querySelector(".close-up");
  const toggles = [...viewer.querySelectorAll("button[data-marks]")];
  let kind = "";
  let all = false;
  let shown = items.map((_, i) => i);
  let current = 0;  // a position in `shown`

  const filter = () => {
    const least = score ? Number(score.value) : 0;
    if (score) score.parentElement.querySelector("output").textContent = least.toFixed(2);
    shown = [];
    items.forEach((item, i) => {
      const shot = data.shots[i];
      const fits = (!kind || shot.kind === kind)
        && (!classes || classes.selectedIndex === 0 || shot.group === classes.value)
        && (least === 0 || (shot.score !== null && shot.score >= least));
      if (fits) shown.push(i);
      item.hidden = !fits || (!all && shown.length > FIRST);
    });
    count.textContent = `${shown.length} of ${items.length} pictures`;
    more.hidden = all || shown.length <= FIRST;
    more.textContent = `Show all ${shown.length}`;
  };
  kinds.forEach((button) => button.addEventListener("click", () => {
    kind = button.dataset.kind;
    kinds.forEach((other) => other.setAttribute("aria-pressed", other === button));
    filter();
  }));
  more.addEventListener("click", () => { all = true; filter(); });
  classes?.addEventListener("change", filter);
  score?.addEventListener("input", filter);

  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const draw = () => {
    const shot = data.shots[shown[current]];
    const picture = data.pictures[shot.picture];
    const { width, height } = picture;
    let view = [0, 0, width, height];
    if (closeUp && pressed(closeUp) && shot.focus) {
      const [x0, y0, x1, y1] = shot.focus;
      const side = Math.max(x1 - x0, y1 - y0, 16);
      view = [(x0 + x1) / 2 - side, (y0 + y1) / 2 - side, 2 * side, 2 * side];
    }
    const svg = make("svg", { viewBox: view.join(" "), role: "img", "aria-label": shot.title });
    svg.append(make("image", { href: picture.source, width, height, preserveAspectRatio: "none" }));
    const box = stage.getBoundingClientRect();
    const pixel = Math.max(view[2] / (box.width || 1), view[3] / (box.height || 1));
    const hidden = new Set(toggles.filter((one) => !pressed(one)).flatMap((one) => one.dataset.marks.split(" ")));
    const texts = [];
    for (const mark of shot.marks) {
      if (hidden.has(mark.kind)) continue;
      const [x0, y0, x1, y1] = mark.box;
      const look = `${mark.kind}${mark.focus ? " focus" : ""}`;
      if (mark.spread) {
        const [l, t, r, b] = mark.spread;
        const ring = (s) => {
          const [a, c, d, e] = [x0 - s * l, y0 - s * t, x1 + s * r, y1 + s * b];
          return d > a && e > c ? `M${a} ${c}H${d}V${e}H${a}Z` : "";
        };
        svg.append(make("path", { d: ring(1) + ring(-1), class: `spread ${mark.kind}`, "fill-rule": "evenodd" }));
      }
      svg.append(make("rect", { x: x0, y: y0, width: Math.max(x1 - x0, 0), height: Math.max(y1 - y0, 0), class: look }));
      if (!mark.label) continue;
      const above = y0 - view[1] > 18 * pixel;
      // annotations are labelled below their box, so that they do not hide a detection's label
      const below = mark.kind === "truth" || mark.kind === "missed" || !above;
      const at = below ? Math.min(y1 + 14 * pixel, view[1] + view[3] - 3 * pixel) : y0 - 4 * pixel;
      const text = make("text", { x: Math.max(x0, view[0]), y: at, "font-size": 13 * pixel });
      text.textContent = mark.label;
      texts.push(text);
    }
    svg.append(...texts);  // over all boxes
    stage.replaceChildren(svg);
    for (const text of texts) {
      const x = Math.min(Number(text.getAttribute("x")), view[0] + view[2] - text.getComputedTextLength());
      text.setAttribute("x", Math.max(x, view[0]));
    }
    viewer.querySelector("h3").textContent = shot.title;
    viewer.querySelector(".facts").textContent = shot.facts;
    viewer.querySelector(".position").textContent = `${current + 1} / ${shown.length}`;
  };
  const step = (by) => {
    current = (current + by + shown.length) % shown.length;
    draw();
  };
  const press = (button) => button?.addEventListener("click", () => {
    button.setAttribute("aria-pressed", !pressed(button));
    draw();
  });
  items.forEach((item, i) => item.querySelector("button").addEventListener("click", () => {
    current = shown.indexOf(i);
    viewer.showModal();  // Escape closes it, and the rest of the page cannot be reached meanwhile
    draw();
  }));
  viewer.querySelector(".back").addEventListener("click", () => step(-1));
  viewer.querySelector(".on").addEventListener("click", () => step(1));
  viewer.querySelector(".close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("close", () => {
    stage.replaceChildren();
    if (current >= FIRST && !all) { all = true; filter(); }
    items[shown[current]].querySelector("button").focus();
  });
  viewer.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  press(closeUp);
  toggles.forEach(press);
  addEventListener("resize", () => { if (viewer.open) draw(); });
  let touched = null;  // where a finger was put down; a long move to a side is a step
  stage.addEventListener("pointerdown", (event) => { touched = event.pointerType === "mouse" ? null : event.clientX; });
  stage.addEventListener("pointerup", (event) => {
    const moved = touched === null ? 0 : event.clientX - touched;
    if (Math.abs(moved) > 40) step(moved > 0 ? -1 : 1);
    touched = null;
  });
  filter();
}
