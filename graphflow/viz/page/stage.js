// The picture: what of a drawing is in sight, as SVG, and moving about in it.
const SVG = "http://www.w3.org/2000/svg", TINY = 0.24, MANY = 1500, AROUND = 0.5, REST = 110;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const figure = (value) => Math.round(value * 10) / 10;

function wirePath(points) {
  let d = `M${figure(points[0][0])} ${figure(points[0][1])}`;
  for (let k = 1; k < points.length; k++) {
    const [x0, y0] = points[k - 1], [x1, y1] = points[k];
    if (k % 2 || x0 === x1) {
      if (x0 !== x1 || y0 !== y1) d += `L${figure(x1)} ${figure(y1)}`;
    } else {
      const half = figure((y0 + y1) / 2);
      d += `C${figure(x0)} ${half} ${figure(x1)} ${half} ${figure(x1)} ${figure(y1)}`;
    }
  }
  return d;
}

class Stage {
  constructor(element, looks) {
    this.element = element;
    this.looks = looks;
    this.view = { x: 0, y: 0, k: 1 };
    this.drawing = null;
    this.svg = shape("svg", { "aria-hidden": "true" });
    element.append(this.svg);
    this.listen();
    new ResizeObserver(() => this.render()).observe(element);
  }

  // Paints once after several changes.
  once(changes) {
    this.held = true;
    changes();
    this.held = false;
    this.render();
  }

  show(scene, drawing) {
    Object.assign(this, { scene, drawing });
    this.render();
  }

  // ---- moving ---------------------------------------------------------------------------------

  fit() {
    const { clientWidth: w, clientHeight: h } = this.element, d = this.drawing;
    const k = Math.min(1.25, (w - 16) / d.width, (h - 16) / d.height);
    this.view = { k, x: (w - d.width * k) / 2, y: Math.max(8, (h - d.height * k) / 2) };
    this.render();
  }

  start() {
    this.fit();
    const least = 0.7;
    if (this.view.k < least) {  // too small to read: the top of it instead
      const w = this.element.clientWidth, k = Math.min(1, Math.max(least, (w - 16) /
        this.drawing.width));
      const first = this.drawing.boxes[0];
      const middle = this.drawing.width * k <= w ? this.drawing.width / 2
        : first ? first.x + first.width / 2 : 0;
      this.view = { k, x: w / 2 - middle * k, y: 4 };
      this.render();
    }
  }

  move(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.moved();
  }

  zoom(factor, x = this.element.clientWidth / 2, y = this.element.clientHeight / 2) {
    const k = Math.min(4, Math.max(0.001, this.view.k * factor)), ratio = k / this.view.k;
    this.view = { k, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio };
    this.moved();
  }

  // While it moves, the browser only shifts what is painted; it is painted anew when it rests.
  moved() {
    const { drawn } = this, { x, y, k } = this.view, ratio = k / drawn.k;
    const left = x - drawn.x * ratio, top = y - drawn.y * ratio;
    this.svg.style.transform = `translate(${left - drawn.left * ratio}px,${
      top - drawn.top * ratio}px) scale(${ratio})`;
    clearTimeout(this.resting);
    const far = Math.abs(left) > drawn.left * 0.9 || Math.abs(top) > drawn.top * 0.9
      || ratio < 0.6 || ratio > 2.5;
    if (far) this.render();
    else this.resting = setTimeout(() => this.render(), REST);
  }

  centre(item) {
    const box = this.drawing.boxOf.get(item);
    if (!box) return;
    const { clientWidth: w, clientHeight: h } = this.element;
    const k = Math.max(this.view.k, 0.6);
    this.view = { k, x: w / 2 - (box.x + box.width / 2) * k,
      y: h / 2 - (box.y + Math.min(box.height, h / k) / 2) * k };
    this.render();
  }

  sees(box) {
    const { x, y, k } = this.view, { clientWidth: w, clientHeight: h } = this.element;
    const left = box.x * k + x, top = box.y * k + y;
    return left + box.width * k > 0 && left < w && top + box.height * k > 0 && top < h;
  }

  placeOf(item) {
    const box = this.drawing && this.drawing.boxOf.get(item);
    return box && [box.x * this.view.k + this.view.x, box.y * this.view.k + this.view.y];
  }

  keep(item, place) {  // after groups opened: the item stays where it was on the screen
    const now = place && this.placeOf(item), box = this.drawing.boxOf.get(item);
    if (!now) return;
    if (!this.sees({ ...box, x: box.x + (place[0] - now[0]) / this.view.k,
      y: box.y + (place[1] - now[1]) / this.view.k })) {
      this.centre(item);
      return;
    }
    this.view.x += place[0] - now[0];
    this.view.y += place[1] - now[1];
    this.render();
  }

  // ---- drawing --------------------------------------------------------------------------------

  render(whole = false) {
    clearTimeout(this.resting);
    if (!this.drawing || this.held) return;
    const { clientWidth: w, clientHeight: h } = this.element, { x, y, k } = this.view;
    const left = w * AROUND, top = h * AROUND;
    const sight = whole ? { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity }
      : { left: (-x - left) / k, top: (-y - top) / k, right: (w + left - x) / k,
        bottom: (h + top - y) / k };
    const boxes = this.drawing.boxes.filter((b) => b.x < sight.right && b.x + b.width > sight.left
      && b.y < sight.bottom && b.y + b.height > sight.top);
    const wires = this.drawing.wires.filter(({ box: b }) => b.left <= sight.right
      && b.right >= sight.left && b.top <= sight.bottom && b.bottom >= sight.top);
    const tiny = !whole && (k < TINY || boxes.length > MANY);
    const layer = shape("g", whole ? {} : {
      transform: `translate(${figure(x + left)} ${figure(y + top)}) scale(${k})` });
    this.paint(layer, boxes, wires, tiny, whole ? 1 : k);
    this.svg.replaceChildren(layer);
    if (whole) {
      this.svg.setAttribute("viewBox", `0 0 ${this.drawing.width} ${this.drawing.height}`);
    } else {
      this.svg.removeAttribute("viewBox");
      Object.assign(this.svg.style, { left: `${-left}px`, top: `${-top}px`,
        width: `${w + 2 * left}px`, height: `${h + 2 * top}px`, transform: "" });
      this.drawn = { x, y, k, left, top };
      this.sight = { boxes, wires };
    }
  }

  paint(layer, boxes, wires, tiny, k) {
    const { looks } = this;
    for (const box of boxes) if (box.open) this.paintOpen(layer, box, tiny, k);
    if (tiny) this.paintWiresTogether(layer, wires);
    else for (const wire of wires) this.paintWire(layer, wire);
    for (const wire of wires) {
      if (looks.hotWire(wire)) {
        layer.append(shape("path", { class: "wire hot", d: wirePath(wire.points) }));
      }
    }
    for (const [a, b, kind] of looks.quietWires(this.drawing)) {
      layer.append(shape("path", { class: `wire e-${kind} hot`, d: wirePath([a, a, b]) }));
    }
    if (!tiny) this.paintLabels(layer, wires);
    const closed = boxes.filter((b) => !b.open);
    if (tiny) this.paintBoxesTogether(layer, closed);
    else for (const box of closed) this.paintClosed(layer, box);
    const chosen = this.drawing.boxOf.get(looks.selected());
    if (chosen) {
      layer.append(shape("rect", { class: "chosen", x: chosen.x - 3, y: chosen.y - 3, rx: 9,
        width: chosen.width + 6, height: chosen.height + 6,
        style: `stroke-width:${Math.max(2.5, 2 / k)}` }));
    }
  }

  paintOpen(layer, box, tiny, k) {
    const item = this.scene.items[box.item], kind = item.kind === "kernel" ? "kernel" : "group";
    layer.append(shape("rect", { class: `box open n-${kind}${this.looks.classOf(box.item)}`,
      x: figure(box.x), y: figure(box.y), width: figure(box.width), height: figure(box.height),
      rx: 8 }));
    const size = tiny ? Math.min(12 / k, box.height / 3) : 12;
    if (box.width * k < 50) return;
    const room = Math.max(3, Math.floor((box.width - 20) / (0.6 * size)));
    const label = item.label.length <= room ? item.label
      : `${item.label.slice(0, Math.floor((room - 1) / 2))}…${
        item.label.slice(item.label.length - Math.ceil((room - 1) / 2))}`;
    layer.append(shape("text", { class: "ink title", x: figure(box.x + 10),
      y: figure(box.y + (tiny ? size : 16)), "font-size": size, "font-weight": 600 }, label));
  }

  paintClosed(layer, box) {
    const item = this.scene.items[box.item], small = item.kind === "constant";
    const radius = { variable: 13, input: 13, constant: 9 }[item.kind] || 5;
    const extra = this.looks.classOf(box.item);
    const shade = this.looks.shade(box.item);
    const group = shape("g", extra.includes("dim") ? { class: "dim" } : {});
    const copies = item.fold ? [2, 1, 0] : isGroup(item) ? [1, 0] : [0];
    for (const c of copies) {
      const rect = shape("rect", { class: `box n-${item.kind}${extra}`, x: figure(box.x + 3 * c),
        y: figure(box.y + 3 * c), width: figure(box.width), height: figure(box.height),
        rx: radius });
      if (shade) rect.style.fill = shade;
      group.append(rect);
    }
    const middle = figure(box.x + box.width / 2);
    group.append(shape("text", { class: "ink", x: middle, "text-anchor": "middle",
      y: figure(box.y + (item.note && !small ? 16 : box.height / 2 + 4)),
      "font-size": small ? 10 : 12 }, item.label));
    if (item.note) {
      group.append(shape("text", { class: "faint", x: middle, "text-anchor": "middle",
        y: figure(box.y + 30), "font-size": 10 }, item.note));
    }
    if (item.fold) {
      group.append(shape("text", { class: "ink", x: figure(box.x + box.width - 4),
        y: figure(box.y - 3), "text-anchor": "end", "font-size": 12, "font-weight": 700 },
      `×${item.fold}`));
    }
    layer.append(group);
  }

  paintWire(layer, wire) {
    const { edge, points } = wire, dim = this.looks.dimWire(wire) ? " dim" : "";
    const path = shape("path", { class: `wire e-${edge.kind}${dim}`, d: wirePath(points) });
    if (edge.edges.length > 2) {
      path.style.strokeWidth = Math.min(1.3 + 0.25 * edge.edges.length, 4);
    }
    layer.append(path);
    const box = edge.target[0] === ITEM && this.drawing.boxOf.get(edge.target[1]);
    if (box && !box.open) {
      const [x, y] = points[points.length - 1], before = points[points.length - 2];
      layer.append(shape("path", { class: `a-${edge.kind}${dim}`,
        d: `M${figure(x)} ${figure(y)}l-3.2 ${before[1] <= y ? -6 : 6}h6.4z` }));
    }
  }

  paintWiresTogether(layer, wires) {
    const paths = new Map();
    for (const wire of wires) {
      const key = `e-${wire.edge.kind}${this.looks.dimWire(wire) ? " dim" : ""}`;
      const ends = [wire.points[0], wire.points[wire.points.length - 1]];
      const points = wire.points.length > 4 ? wire.points : [ends[0], ends[0], ends[1]];
      paths.set(key, (paths.get(key) || "") + wirePath(points));
    }
    for (const [key, d] of paths) {
      layer.append(shape("path", { class: `wire ${key}`, d,
        style: "stroke-dasharray:none;stroke-width:1.2;vector-effect:non-scaling-stroke" }));
    }
  }

  paintBoxesTogether(layer, boxes) {
    const paths = new Map();
    for (const box of boxes) {
      const key = `n-${this.scene.items[box.item].kind}${this.looks.classOf(box.item)}`;
      paths.set(key, `${paths.get(key) || ""}M${figure(box.x)} ${figure(box.y)}h${
        figure(box.width)}v${figure(box.height)}h${figure(-box.width)}z`);
    }
    for (const [key, d] of paths) layer.append(shape("path", {
      class: `box ${key}`, d, style: "stroke-width:1;vector-effect:non-scaling-stroke" }));
  }

  paintLabels(layer, wires) {
    const leaving = new Map();
    for (const { edge, points } of wires) {
      if (edge.source[0] !== ITEM || edge.kind === "control") continue;
      const key = points[0].join(" ");
      if (!leaving.has(key)) leaving.set(key, { place: points[0], labels: new Set() });
      leaving.get(key).labels.add(edge.label);
    }
    const ends = new Map();  // of the last label at each height: labels do not overlap
    const places = [...leaving.values()].sort((a, b) => a.place[0] - b.place[0]);
    for (const { place: [x, y], labels } of places) {
      const [label] = labels, height = Math.round(y / 8);
      if (labels.size === 1 && label && !(ends.get(height) > x)) {
        ends.set(height, x + 5.2 * label.length);
        layer.append(shape("text", { class: "halo", x: figure(x + 4), y: figure(y + 12),
          "font-size": 9 }, label));
      }
    }
  }

  // ---- the pointer ----------------------------------------------------------------------------

  listen() {
    const { element } = this, fingers = new Map();
    let moved = 0, apart = 0, last = { item: null, time: 0 };
    element.addEventListener("pointerdown", (e) => {
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
      moved = 0;
      element.setPointerCapture(e.pointerId);
    });
    element.addEventListener("pointermove", (e) => {
      const from = fingers.get(e.pointerId);
      if (!from) {
        this.looks.hover(this.at(e), e);
        return;
      }
      const dx = e.clientX - from[0], dy = e.clientY - from[1];
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
      moved += Math.abs(dx) + Math.abs(dy);
      if (fingers.size === 2) {
        const [[ax, ay], [bx, by]] = [...fingers.values()];
        const now = Math.hypot(ax - bx, ay - by), { left, top } = element.getBoundingClientRect();
        if (apart) this.zoom(now / apart, (ax + bx) / 2 - left, (ay + by) / 2 - top);
        apart = now;
      } else if (moved > 3) {
        this.move(dx, dy);
      }
    });
    const end = (e) => {
      fingers.delete(e.pointerId);
      apart = 0;
      if (e.type !== "pointerup" || moved > 3) return;
      // What was clicked is painted anew, so that browsers do not count clicks on it.
      const { box } = this.at(e), twice = box && last.item === box.item && e.timeStamp
        - last.time < 400;
      last = twice || !box ? { item: null, time: 0 } : { item: box.item, time: e.timeStamp };
      if (twice) this.looks.open(box);
      else this.looks.click(box);
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
    element.addEventListener("pointerleave", () => this.looks.hover({}, null));
    element.addEventListener("wheel", (e) => {
      e.preventDefault();
      const { left, top } = element.getBoundingClientRect();
      this.zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0016)), e.clientX - left,
        e.clientY - top);
    }, { passive: false });
  }

  at(event) {  // the innermost box, else the nearest wire
    const { left, top } = this.element.getBoundingClientRect(), { x, y, k } = this.view;
    const px = (event.clientX - left - x) / k, py = (event.clientY - top - y) / k;
    let box = null;
    for (const b of this.sight.boxes) {
      if (px >= b.x && px <= b.x + b.width && py >= b.y && py <= b.y + b.height) box = b;
    }
    if (box && !box.open) return { box };
    const room = 5 / k;
    for (const wire of this.sight.wires) {
      const b = wire.box;
      if (px > b.left - room && px < b.right + room && py > b.top - room && py < b.bottom + room
        && nearWire(wire.points, px, py, room)) return { wire, box };
    }
    return { box };
  }
}

function nearWire(points, px, py, room) {
  for (let k = 1; k < points.length; k++) {
    const [x0, y0] = points[k - 1], [x1, y1] = points[k];
    if (py < Math.min(y0, y1) - room || py > Math.max(y0, y1) + room) continue;
    const t = y1 === y0 ? 0 : Math.min(1, Math.max(0, (py - y0) / (y1 - y0)));
    const along = k % 2 ? t : t * t * (3 - 2 * t);
    if (Math.abs(px - (x0 + (x1 - x0) * along)) <= room) return true;
  }
  return false;
}
