// The treemap. Without this script the tables say the same; nothing is fetched.
//
// It is laid out here and not beforehand, as the shape of the window decides, and each zoom is another layout.
"use strict";

(() => {
  const section = document.querySelector("#map");
  const groupings = JSON.parse(document.querySelector("#data").textContent);
  const [tiles, way, about, said, rows, caption] = [".tiles", ".way", ".about", "[role=status]", "tbody", "caption"].map(
    (name) => section.querySelector(name),
  );
  // What is smaller cannot be hit.
  const LEAST = 24;
  const HEAD = 42;
  const COLOURS = 8;
  let path = [];
  let boxes = [];

  // An area is [name, bytes, size as it is shown, note, what is inside].
  const here = () => path[path.length - 1];
  const bytes = ([, size]) => size;
  const inside = (area) => area[4];
  const sum = (areas) => areas.reduce((all, area) => all + bytes(area), 0);

  function share(area, whole) {
    const percent = (bytes(area) / bytes(whole)) * 100;
    return percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
  }

  // Squarified (Bruls, Huizing, van Wijk 2000): a row along the shorter side takes in more as long as its worst tile becomes
  // squarer by it.
  function squarify(sizes, left, top, width, height) {
    const scale = (width * height) / sizes.reduce((all, size) => all + size, 0);
    const placed = [];
    let first = 0;
    while (first < sizes.length) {
      const side = Math.max(Math.min(width, height), 1e-6);
      let [end, room, most, least, worst] = [first, 0, 0, Infinity, Infinity];
      while (end < sizes.length) {
        const size = sizes[end] * scale;
        const [more, larger, smaller] = [room + size, Math.max(most, size), Math.min(least, size)];
        const ratio = Math.max((side * side * larger) / (more * more), (more * more) / (side * side * smaller));
        if (ratio > worst) break;
        [end, room, most, least, worst] = [end + 1, more, larger, smaller, ratio];
      }
      const thick = room / side;
      const upright = width >= height;
      let at = 0;
      for (; first < end; first += 1) {
        const long = (sizes[first] * scale) / thick;
        placed.push(upright ? [left, top + at, thick, long] : [left + at, top, long, thick]);
        at += long;
      }
      if (upright) [left, width] = [left + thick, width - thick];
      else [top, height] = [top + thick, height - thick];
    }
    return placed;
  }

  // The areas with their places; the smallest become one, which opens, so that each can be hit.
  function arrange(areas, width, height) {
    // Drawn a little larger than it is, if need be.
    const floor = (sum(areas) * (LEAST + 4)) / Math.max(width, height);
    for (let folded = 0; ; folded += folded ? 1 : 2) {
      const small = areas.slice(areas.length - folded);
      const shown = areas.slice(0, areas.length - folded);
      if (folded) shown.push([`${folded} smaller`, sum(small), "", small.slice(0, 5).map(([name]) => name).join(", "), small]);
      const last = folded + 2 >= areas.length + (folded ? 1 : 0);
      const sizes = shown.map((area) => (last || area[4] === small ? Math.max(bytes(area), floor) : bytes(area)));
      const places = squarify(sizes, 0, 0, width, height);
      if (last || places.every(([, , wide, high]) => wide >= LEAST && high >= LEAST)) {
        return shown.map((area, number) => ({ area, place: places[number] }));
      }
    }
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Parts of a hundred, so that paper of another width shows the same.
  function put(what, [left, top, wide, high], width, height) {
    const percent = (part, of) => `${((part / of) * 100).toFixed(4)}%`;
    what.style.left = percent(left, width);
    what.style.top = percent(top, height);
    what.style.width = percent(wide, width);
    what.style.height = percent(high, height);
  }

  function tile({ area, place }, number, width, height) {
    const [name, , size, note] = area;
    const parts = inside(area);
    const made = element("button", `tile c${number % COLOURS}`);
    const percent = share(area, here());
    made.type = "button";
    made.tabIndex = -1;
    if (!parts.length) made.setAttribute("aria-disabled", "true");
    put(made, place, width, height);
    const [, , wide, high] = place;
    const more = [note, parts.length ? `${parts.length} inside` : ""].filter(Boolean).join(", ");
    made.append(
      element("b", wide > 40 && high > 26 ? "" : "unseen", name),
      element("span", wide > 40 && high > HEAD ? "size" : "unseen", size ? `${size} · ${percent}` : percent),
      element("span", "unseen", more),
    );
    if (parts.length > 1 && wide > 90 && high > HEAD + 40) {
      const within = element("span", "within");
      const [room, tall] = [wide - 8, high - HEAD - 6];
      const drawn = parts.filter((part) => bytes(part) > 0);
      squarify(drawn.map(bytes), 0, 0, room, tall).forEach((box, part) => {
        if (box[2] < 3 || box[3] < 3) return;
        const small = element("span", "part", box[2] > 44 && box[3] > 18 ? drawn[part][0] : "");
        put(small, box, room, tall);
        within.append(small);
      });
      within.setAttribute("aria-hidden", "true");
      made.append(within);
    }
    made.addEventListener("click", () => enter(area));
    made.addEventListener("focus", () => tell(area));
    made.addEventListener("mouseenter", () => tell(area));
    return made;
  }

  function tell(area) {
    const [name, , size, note] = area;
    about.textContent = [name, size, share(area, here()), note].filter(Boolean).join(" · ");
  }

  function draw(focused) {
    const { width, height } = tiles.getBoundingClientRect();
    if (!width || !height) return;
    boxes = arrange(inside(here()).filter((area) => bytes(area) > 0), width, height);
    tiles.replaceChildren(...boxes.map((box, number) => tile(box, number, width, height)));
    const at = Math.max(boxes.findIndex(({ area }) => area === focused || inside(area).includes(focused)), 0);
    if (tiles.children[at]) tiles.children[at].tabIndex = 0;
    if (focused) tiles.children[at]?.focus();
    way.replaceChildren(
      ...path.map((area, depth) => {
        const item = document.createElement("li");
        const last = depth === path.length - 1;
        const step = element(last ? "span" : "button", "", area[0]);
        if (last) step.setAttribute("aria-current", "true");
        else step.addEventListener("click", () => leave(depth));
        item.append(step);
        return item;
      }),
    );
    caption.textContent = `${here()[0]}, ${here()[2]}`;
    rows.replaceChildren(
      ...inside(here()).map((area) => {
        const row = document.createElement("tr");
        const head = element("th", "", area[0]);
        head.scope = "row";
        row.append(head, element("td", "number", area[2]), element("td", "number", share(area, here())), element("td", "", area[3]));
        return row;
      }),
    );
    if (!focused) about.textContent = "";
  }

  function enter(area) {
    if (!inside(area).length) return;
    // What was folded away has no size as text.
    path.push(area);
    draw(inside(area)[0]);
    announce();
  }

  function leave(depth) {
    const from = path[depth + 1];
    if (!from) return;
    path = path.slice(0, depth + 1);
    draw(from);
    announce();
  }

  function announce() {
    said.textContent = `${here()[0]}, ${here()[2]}: ${inside(here()).length} parts`;
  }

  // The nearest tile that lies wholly on that side.
  function neighbour(from, key) {
    const across = key === "ArrowLeft" || key === "ArrowRight" ? 0 : 1;
    const forward = key === "ArrowRight" || key === "ArrowDown";
    const range = ({ place }, axis) => [place[axis], place[axis] + place[axis + 2]];
    const [start, end] = range(boxes[from], across);
    const [low, high] = range(boxes[from], 1 - across);
    let [best, nearest] = [-1, Infinity];
    boxes.forEach((box, number) => {
      const [itsStart, itsEnd] = range(box, across);
      const [itsLow, itsHigh] = range(box, 1 - across);
      const gap = forward ? itsStart - end : start - itsEnd;
      if (number === from || gap < -1) return;
      const aside = Math.max(itsLow - high, low - itsHigh, 0);
      const off = Math.abs(itsLow - low);
      const distance = gap + 4 * aside + off / 1000;
      if (distance < nearest) [best, nearest] = [number, distance];
    });
    return best;
  }

  tiles.addEventListener("keydown", (event) => {
    const at = [...tiles.children].indexOf(document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    let next = -1;
    if (event.key === "Escape" || event.key === "Backspace") {
      event.preventDefault();
      leave(path.length - 2);
      return;
    } else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = boxes.length - 1;
    else if (event.key.startsWith("Arrow")) next = neighbour(at, event.key);
    else return;
    event.preventDefault();
    if (next < 0) return;
    tiles.children[at].tabIndex = -1;
    tiles.children[next].tabIndex = 0;
    tiles.children[next].focus();
  });

  section.querySelectorAll("[name=by]").forEach((choice) =>
    choice.addEventListener("change", () => {
      path = [groupings[Number(choice.value)]];
      draw();
      announce();
    }),
  );

  path = [groupings[0]];
  section.hidden = false;
  draw();
  let drawnAt = tiles.getBoundingClientRect().width;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - drawnAt) < 1) return;
    drawnAt = contentRect.width;
    const at = tiles.contains(document.activeElement) ? boxes[[...tiles.children].indexOf(document.activeElement)] : null;
    draw(at?.area);
  }).observe(tiles);
})();
