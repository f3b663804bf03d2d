// The page: what is open, selected and marked, and what follows from it.
class App {
  constructor(data) {
    const kinds = { nodes: data.nodeKinds, edges: data.edgeKinds };
    this.scenes = data.views.map((view) => sceneOf(view, kinds));
    Object.assign(this, { hidden: new Set(), step: 0, selected: null, marked: null, only: null,
      pathStart: null, changes: new Map(), present: null, presentEdges: null, hot: new Set() });
    document.getElementById("title").textContent = data.title;
    this.states = new Map(this.scenes.map((s) => [s, new Set(s.start)]));
    this.scene = this.scenes[0];
    this.details = new Details(document.getElementById("details"), this);
    this.outline = new Outline(document.getElementById("outline"), this);
    this.stage = new Stage(document.getElementById("stage"), this.looks());
    this.steps = new Steps(this);
    new Search(this);
    makeLegend(this, kinds);
    makeTabs(this);
    makeKeys(this);
    addEventListener("beforeprint", () => this.stage.render(true));
    addEventListener("afterprint", () => this.stage.render());
    if (this.scene) this.enter(this.scene);
  }

  get open() {
    return this.states.get(this.scene);
  }

  // ---- views ----------------------------------------------------------------------------------

  enter(scene) {
    for (const p of document.querySelectorAll(".picture")) p.hidden = true;
    document.querySelector("main").hidden = document.querySelector("footer").hidden = false;
    Object.assign(this, { scene, selected: null, marked: null, only: null, pathStart: null,
      changes: new Map(), present: null, presentEdges: null, step: 0 });
    this.steps.enter();
    this.stage.once(() => {
      this.refresh();
      this.stage.start();
    });
    this.showChange();
    this.details.show(null);
    this.stage.element.setAttribute("aria-label", `${scene.title}: ${scene.nodes.length} nodes, ${
      scene.edges.length} edges`);
  }

  picture(section) {
    for (const p of document.querySelectorAll(".picture")) p.hidden = p !== section;
    document.querySelector("main").hidden = document.querySelector("footer").hidden = true;
    this.steps.bar.hidden = true;
  }

  // What of the scene is there: `seen` is asked by the layout.
  refresh() {
    const { scene, only, present, presentEdges, hidden } = this;
    const here = (n) => (!only || only.has(n)) && (!present || present.has(n));
    const items = new Uint8Array(scene.items.length);
    scene.nodes.forEach((_, n) => {
      if (!here(n)) return;
      for (const item of outwards(scene, n)) {
        if (items[item]) break;
        items[item] = 1;
      }
    });
    const edge = (e) => here(scene.edges[e].source) && here(scene.edges[e].target)
      && (!presentEdges || presentEdges.has(e));
    const all = !only && !present;
    this.seen = { item: (n) => items[n] === 1,
      edge: (e) => !hidden.has(e.kind) && (all || e.edges.some(edge)) };
    this.layout();
    this.outline.fill();
  }

  layout() {
    this.drawing = drawingOf(this.scene, this.open, this.seen);
    this.stage.show(this.scene, this.drawing);
    const shown = this.drawing.boxes.filter((b) => !b.open).length;
    document.getElementById("count").textContent = `${shown} of ${
      this.scene.nodes.length} nodes as boxes`;
  }

  // Goes to what a pass changed, unless some of it is in sight.
  showChange() {
    const changed = this.drawing.boxes.filter((b) => !b.open && this.classOf(b.item).trim());
    if (changed.length && !changed.some((b) => this.stage.sees(b))) {
      this.stage.centre(changed[0].item);
    }
  }

  // ---- opening --------------------------------------------------------------------------------

  toggle(number) {
    const item = this.scene.items[number];
    if (!isGroup(item)) return;
    const place = this.stage.placeOf(number), opened = !this.open.has(number);
    if (opened) this.open.add(number);
    else this.open.delete(number);
    this.stage.once(() => {
      this.layout();
      this.stage.keep(number, place);
    });
    this.outline.refresh([number]);
    this.details.show(this.selected);
    this.say(`${item.label} ${opened ? "opened" : "closed"}`);
  }

  openAll(yes) {
    const groups = this.scene.items.filter((i) => isGroup(i) && i.size);
    if (yes) for (const g of groups) this.open.add(g.number);
    else this.open.clear();
    this.stage.once(() => {
      this.layout();
      this.stage.fit();
    });
    this.outline.fill();
    this.say(yes ? "All groups opened" : "All groups closed");
  }

  reveal(number) {
    const closed = [...outwards(this.scene, number)].slice(1).filter((n) => !this.open.has(n));
    if (!closed.length) return;
    for (const n of closed) this.open.add(n);
    this.layout();
    this.outline.refresh([closed[closed.length - 1]]);
  }

  // ---- choosing -------------------------------------------------------------------------------

  select(number, { reveal = false, centre = false, focus = false } = {}) {
    this.selected = number;
    this.hot = new Set(nodesIn(this.scene, number).flatMap((n) => [
      ...this.scene.nodes[n].into, ...this.scene.nodes[n].out]));
    if (reveal) this.reveal(number);
    this.outline.mark(number);
    this.details.show(number);
    if (centre) this.stage.centre(number);
    else this.stage.render();
    if (focus) this.outline.rows.get(number)?.focus({ preventScroll: true });
  }

  clear() {
    Object.assign(this, { selected: null, marked: null, pathStart: null });
    this.outline.mark(null);
    this.details.show(null);
    if (this.only) {
      this.only = null;
      this.refresh();
    } else {
      this.stage.render();
    }
  }

  markReach(starts, forwards) {
    this.marked = reach(this.scene, starts, forwards, this.hidden);
    this.say(`${this.marked.size} nodes marked`);
    this.stage.render();
  }

  path(number) {
    if (this.pathStart === null) {
      this.pathStart = number;
      this.say("Select the other end, then choose Path to here, or press p");
    } else {
      this.marked = between(this.scene, nodesIn(this.scene, this.pathStart),
        nodesIn(this.scene, number), this.hidden);
      this.pathStart = null;
      this.say(this.marked.size ? `${this.marked.size} nodes on the paths` : "There is no path");
      if (!this.marked.size) this.marked = null;
    }
    this.details.show(this.selected);
    this.stage.render();
  }

  isolate() {
    if (this.only) this.only = null;
    else if (this.marked) this.only = this.marked;
    else if (this.selected !== null) this.only = reach(this.scene, nodesIn(this.scene,
      this.selected), false, this.hidden);
    else return;
    this.refresh();
    this.stage.fit();
    this.details.show(this.selected);
    this.say(this.only ? `Only ${this.only.size} nodes shown` : "Everything shown");
  }

  say(text) {
    document.getElementById("live").textContent = text;
  }

  // ---- what the stage asks --------------------------------------------------------------------

  looks() {
    const tip = document.getElementById("tip");
    return {
      selected: () => this.selected,
      classOf: (n) => this.classOf(n),
      shade: (n) => {
        const share = this.scene.heat[n];
        return share === undefined ? "" : `color-mix(in srgb, #e5383b ${
          Math.round(8 + 72 * share)}%, var(--n-kernel))`;
      },
      dimWire: ({ edge }) => !!this.marked && !edge.edges.some((e) => this.marked.has(
        this.scene.edges[e].source) && this.marked.has(this.scene.edges[e].target)),
      hotWire: ({ edge }) => this.selected !== null && edge.edges.some((e) => this.hot.has(e)),
      quietWires: (drawing) => this.quietWires(drawing),
      click: (box) => (box ? this.select(box.item) : this.clear()),
      open: (box) => this.toggle(box.item),
      hover: ({ box, wire }, event) => {
        const text = wire ? this.wireText(wire.edge) : box ? this.boxText(box.item) : "";
        tip.hidden = !text;
        tip.textContent = text;
        if (event) {
          tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 300)}px`;
          tip.style.top = `${Math.min(event.clientY + 16, innerHeight - 60)}px`;
        }
      },
    };
  }

  classOf(number) {
    const item = this.scene.items[number];
    const parts = [];
    if (!isGroup(item) && this.changes.has(number)) parts.push(this.changes.get(number));
    if (isGroup(item) && this.changes.size && !this.open.has(number)) {
      const kinds = new Set(nodesIn(this.scene, number).map((n) => this.changes.get(n)));
      kinds.delete(undefined);
      if (kinds.size) parts.push(kinds.size === 1 ? [...kinds][0] : "changed");
    }
    if (this.marked && !nodesIn(this.scene, number).some((n) => this.marked.has(n))) {
      parts.push("dim");
    }
    return parts.map((p) => ` ${p}`).join("");
  }

  quietWires(drawing) {
    if (this.selected === null) return [];
    const shown = (n) => {
      for (const item of outwards(this.scene, n)) {
        if (drawing.boxOf.has(item)) return drawing.boxOf.get(item);
      }
      return null;
    };
    const found = new Map();
    for (const e of this.hot) {
      const edge = this.scene.edges[e];
      if (!edge.quiet || this.hidden.has(edge.kind)) continue;
      const a = shown(edge.source), b = shown(edge.target);
      if (a && b && a !== b) {
        found.set(`${a.item} ${b.item}`, [[a.x + a.width / 2, a.y + a.height],
          [b.x + b.width / 2, b.y], edge.kind]);
      }
    }
    return [...found.values()];
  }

  boxText(number) {
    const item = this.scene.items[number];
    if (isGroup(item)) return `${item.path} · ${item.note}`;
    const node = this.scene.nodes[number];
    return [node.name, node.op, typeText(node), node.site].filter(Boolean).join(" · ");
  }

  wireText(edge) {
    const first = this.scene.edges[edge.edges[0]], count = edge.edges.length;
    const ends = count === 1 ? `${this.scene.nodes[first.source].name} → ${
      this.scene.nodes[first.target].name}` : `${count} edges`;
    return [edge.kind, edge.label, ends].filter(Boolean).join(" · ");
  }
}

const app = new App(JSON.parse(document.getElementById("data").textContent));
document.documentElement.dataset.ready = "yes";
