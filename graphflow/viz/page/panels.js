// Where everything stands for a choice of open groups: the method of drawing.py.
// A scene is what the page was given for one view. `seen(item)` tells what is not left out.
const ROOT = -1, TITLE = 24, SIDE = 14, END = 14, MARGIN = 20, BLOCK_GAP = 26, FAN = 12;
const ITEM = 0, BEND = 1, IN = 2, OUT = 3;

class Panel {
  constructor(scene, number, open, seen) {
    Object.assign(this, { scene, number, level: scene.levels[number] });
    const { slots, blocks } = this.level;
    this.inside = new Map();
    slots.forEach(([what, item], slot) => {
      if (what === ITEM && open.has(item) && scene.levels[item] && seen.item(item)) {
        this.inside.set(slot, new Panel(scene, item, open, seen));
      }
    });
    this.edges = this.level.edges.filter((e) => seen.edge(e));
    const used = new Set(this.edges.flatMap((e) => e.route));
    const here = (slot) => (slots[slot][0] === ITEM ? seen.item(slots[slot][1]) : used.has(slot));
    this.blocks = blocks.map((rows) => rows.map((row) => row.filter(here)).filter((r) => r.length))
      .filter((rows) => rows.length);
    this.row = new Map();
    this.slotOf = new Map();
    for (const rows of this.blocks) {
      rows.forEach((row, k) => row.forEach((slot) => {
        this.row.set(slot, k);
        if (slots[slot][0] !== BEND) this.slotOf.set(slots[slot].join(":"), slot);
      }));
    }
    this.size = slots.map((_, slot) => this.sizeOf(slot));
    this.place();
  }

  sizeOf(slot) {
    const [what, item] = this.level.slots[slot];
    if (what === BEND) return [BEND_WIDTH, 0];
    if (what !== ITEM) return [PIN_WIDTH, 0];
    const panel = this.inside.get(slot), face = this.scene.items[item];
    return panel ? [panel.width, panel.height] : [face.width, face.height];
  }

  port(slot, side, outside) {
    const panel = this.inside.get(slot);
    if (!panel) return 0;
    const pin = panel.slotOf.get(`${side}:${outside}`);
    return pin === undefined ? 0 : panel.x.get(pin) - panel.width / 2;
  }

  place() {
    const { slots } = this.level;
    const [above, below] = this.segments();
    const widths = this.size.map((s) => s[0]), heights = this.size.map((s) => s[1]);
    const soft = slots.map(([what]) => what !== ITEM);
    const places = this.blocks.map((b) => placeBlock(b, widths, heights, soft, above, below));
    const pinned = this.blocks.findIndex((rows) => rows.some((row) => row.some(
      (s) => slots[s][0] === IN || slots[s][0] === OUT)));
    const root = this.number === ROOT;
    const side = root ? MARGIN : SIDE, title = root ? MARGIN : TITLE, end = root ? MARGIN : END;
    const { corners, width, height } = packed(places, pinned);
    this.x = new Map();
    this.y = new Map();
    this.top = new Map();
    this.bottom = new Map();
    this.blocks.forEach((rows, b) => rows.forEach((row, k) => {
      const found = places[b], top = title + corners[b][1] + found.tops[k];
      for (const slot of row) {
        this.x.set(slot, side + corners[b][0] + found.x.get(slot));
        this.top.set(slot, top);
        this.bottom.set(slot, top + found.heights[k]);
        this.y.set(slot, top + (found.heights[k] - heights[slot]) / 2);
      }
    }));
    this.width = width + 2 * side;
    this.height = title + height + end;
    if (!root) this.width = Math.max(this.width, this.scene.items[this.number].width + 40);
  }

  segments() {
    const { slots } = this.level;
    const above = slots.map(() => []), below = slots.map(() => []);
    for (const edge of this.edges) {
      const route = edge.route, last = route.length - 1;
      const shift = new Array(route.length).fill(0);
      shift[0] = this.port(route[0], OUT, edge.target[1]);
      shift[last] = this.port(route[last], IN, edge.source[1]);
      for (let k = 0; k < last; k++) {
        let a = route[k], b = route[k + 1], offset = shift[k] - shift[k + 1];
        const bends = (slots[a][0] === BEND) + (slots[b][0] === BEND);
        const weight = [1, 2, 8][bends];
        if (this.row.get(a) > this.row.get(b)) [a, b, offset] = [b, a, -offset];
        above[b].push([a, weight, offset]);
        below[a].push([b, weight, -offset]);
      }
    }
    return [above, below];
  }

  fans() {
    const arriving = new Map();
    this.edges.forEach(({ route }, number) => {
      const slot = route[route.length - 1];
      if (!arriving.has(slot)) arriving.set(slot, []);
      arriving.get(slot).push([this.x.get(route[route.length - 2]), number]);
    });
    const fans = this.edges.map(() => 0);
    for (const [slot, found] of arriving) {
      if (this.level.slots[slot][0] !== ITEM || this.inside.has(slot)) continue;
      found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      const step = Math.min(FAN, (this.size[slot][0] - 12) / found.length);
      found.forEach(([, number], k) => { fans[number] = (k - (found.length - 1) / 2) * step; });
    }
    return fans;
  }

  points(edge, fan) {
    const { route } = edge, last = route.length - 1, points = [];
    route.forEach((slot, k) => {
      const down = this.row.get(route[Math.min(k + 1, last)])
        > this.row.get(route[Math.min(k, last - 1)]);
      let first = this.top.get(slot), second = this.bottom.get(slot);
      if (!down) [first, second] = [second, first];
      let x = this.x.get(slot);
      if (k === 0) {
        x += this.port(slot, OUT, edge.target[1]);
        points.push([x, this.end(slot, down, true)], [x, second]);
      } else if (k === last) {
        x += fan + this.port(slot, IN, edge.source[1]);
        points.push([x, first], [x, this.end(slot, down, false)]);
      } else {
        points.push([x, first], [x, second]);
      }
    });
    return points;
  }

  end(slot, down, leaving) {
    const what = this.level.slots[slot][0];
    if (what === IN) return 0;
    if (what === OUT) return this.height;
    return this.y.get(slot) + (down === leaving ? this.size[slot][1] : 0);
  }

  flat(left, top, drawing) {
    const fans = this.fans();
    this.edges.forEach((edge, number) => {
      const points = this.points(edge, fans[number]).map(([x, y]) => [left + x, top + y]);
      drawing.wires.push({ edge, points, level: this.number, box: bounds(points) });
    });
    this.level.slots.forEach(([what, item], slot) => {
      if (what !== ITEM || !this.x.has(slot)) return;
      const [width, height] = this.size[slot], panel = this.inside.get(slot);
      const x = left + this.x.get(slot) - width / 2, y = top + this.y.get(slot);
      const box = { item, x, y, width, height, open: !!panel };
      drawing.boxes.push(box);
      drawing.boxOf.set(item, box);
      if (panel) panel.flat(x, y, drawing);
    });
  }
}

function packed(places, pinned) {
  const corners = places.map(() => [0, 0]);
  const loose = places.map((_, k) => k).filter((k) => k !== pinned);
  const start = pinned >= 0 && loose.length ? places[pinned].width + BLOCK_GAP : 0;
  let area = 0, widest = 0;
  for (const k of loose) {
    area += (places[k].width + BLOCK_GAP) * (places[k].height + BLOCK_GAP);
    widest = Math.max(widest, places[k].width);
  }
  const room = Math.max(Math.sqrt(area * 1.6), widest);
  let x = 0, y = 0, tall = 0, width = 0;
  loose.sort((a, b) => places[b].height - places[a].height);
  for (const k of loose) {
    if (x && x + places[k].width > room) [x, y, tall] = [0, y + tall + BLOCK_GAP, 0];
    corners[k] = [start + x, y];
    x += places[k].width + BLOCK_GAP;
    tall = Math.max(tall, places[k].height);
    width = Math.max(width, start + x - BLOCK_GAP);
  }
  let height = y + tall;
  if (pinned >= 0) {
    width = Math.max(width, places[pinned].width);
    height = Math.max(height, places[pinned].height);
  }
  return { corners, width, height };
}

function bounds(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { left, top, right, bottom };
}

function drawingOf(scene, open, seen) {
  const panel = new Panel(scene, ROOT, open, seen);
  const drawing = { width: panel.width, height: panel.height, boxes: [], wires: [],
    boxOf: new Map() };
  panel.flat(0, 0, drawing);
  return drawing;
}
