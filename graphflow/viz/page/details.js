// The panel: what is known of the selected node or group.
class Details {
  constructor(panel, app) {
    Object.assign(this, { panel, app });
  }

  show(number) {
    const { app, panel } = this;
    if (number === null) {
      panel.replaceChildren(...this.overview());
      return;
    }
    const item = app.scene.items[number];
    panel.replaceChildren(...(isGroup(item) ? this.group(item) : this.node(item)));
  }

  overview() {
    const { scene } = this.app, parts = [element("h2", {}, scene.title)];
    const counts = new Map();
    for (const node of scene.nodes) counts.set(node.op, (counts.get(node.op) || 0) + 1);
    const top = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 12);
    parts.push(list([["nodes", scene.nodes.length], ["edges", scene.edges.length]]),
      ...stepLines(this.app), ...this.kernels(), element("h3", {}, "Ops"), list(top));
    return parts;
  }

  kernels() {
    const { app } = this, { scene } = app, found = Object.keys(scene.groups).map(Number);
    if (!found.length) return [];
    const told = (n) => new Map(scene.groups[n]);
    const columns = ["time", "share of peak", "flop", "bytes read", "bytes written"].filter(
      (c) => found.some((n) => told(n).has(c)));
    const names = { time: "time", "share of peak": "peak", flop: "flop", "bytes read": "read",
      "bytes written": "written" };
    const rows = found.map((n) => element("tr", {}, element("td", {}, element("button", {
      onclick: () => app.select(n, { reveal: true, centre: true }) }, scene.items[n].label)),
    ...columns.map((c) => element("td", {}, told(n).get(c) || ""))));
    return [element("h3", {}, `Kernels (${found.length})`), element("table", { class: "kernels" },
      element("thead", {}, element("tr", {}, element("th", {}, "step"), ...columns.map(
        (c) => element("th", {}, names[c])))), element("tbody", {}, ...rows))];
  }

  node(item) {
    const node = this.app.scene.nodes[item.number];
    const parts = [element("h2", {}, node.name), element("div", {}, node.op),
      this.actions(item)];
    if (node.types.length) {
      parts.push(element("h3", {}, "Gives"),
        element("ul", {}, ...node.types.map((t) => element("li", {}, t))));
    }
    if (node.site) parts.push(element("h3", {}, "Built at"), element("div", {}, node.site));
    if (node.details.length) parts.push(element("h3", {}, "Attributes"), list(node.details));
    if (node.statistics) parts.push(...this.statistics(node.statistics));
    return [...parts, ...this.neighbours([item.number])];
  }

  group(item) {
    const parts = [element("h2", {}, item.path), element("div", {}, item.fold
      ? `${item.fold} equal blocks, ${item.size} nodes` : `group of ${item.size} nodes`),
    this.actions(item)];
    const told = this.app.scene.groups[item.number];
    if (told) parts.push(list(told.filter(([k]) => k !== "kernel")));
    const own = `(${item.label.slice(item.label.lastIndexOf("/") + 1)})`;
    const main = this.app.scene.nodes[item.children.find((c) => (
      this.app.scene.items[c].label === own))];  // the op that gives the group its name
    if (main) {
      if (main.types.length) parts.push(element("h3", {}, "Gives"), typeText(main));
      if (main.site) parts.push(element("h3", {}, "Built at"), main.site);
      if (main.statistics) parts.push(...this.statistics(main.statistics));
    }
    return [...parts, ...this.neighbours(nodesIn(this.app.scene, item.number))];
  }

  actions(item) {
    const { app } = this, all = () => nodesIn(app.scene, item.number);
    const button = (text, act) => element("button", { onclick: act }, text);
    return element("div", { class: "actions" },
      ...(isGroup(item) ? [button(app.open.has(item.number) ? "Close" : "Open",
        () => app.toggle(item.number))] : []),
      button("What it needs", () => app.markReach(all(), false)),
      button("What needs it", () => app.markReach(all(), true)),
      button(app.pathStart === null ? "Path from here" : "Path to here",
        () => app.path(item.number)),
      button(app.only ? "Show everything" : "Only what is marked", () => app.isolate()));
  }

  neighbours(members) {
    const { scene } = this.app, inside = new Set(members), parts = [];
    for (const [title, side, end] of [["Inputs", "into", "source"], ["Used by", "out", "target"]]) {
      const rows = new Map();
      for (const n of members) {
        for (const e of scene.nodes[n][side]) {
          const edge = scene.edges[e], other = edge[end];
          if (!inside.has(other)) rows.set(`${other} ${edge.kind} ${edge.label}`, [other, edge]);
        }
      }
      if (!rows.size) continue;
      const shown = [...rows.values()].slice(0, 40).map(([other, edge]) => element("li", {},
        element("button", { onclick: () => this.app.select(other, { reveal: true, centre: true }) },
          scene.nodes[other].name),
        element("small", {}, ` ${edge.label || edge.kind}${
          edge.label && edge.kind !== "forward" ? `, ${edge.kind}` : ""}`)));
      if (rows.size > 40) shown.push(element("li", {}, `and ${rows.size - 40} more`));
      parts.push(element("h3", {}, `${title} (${rows.size})`), element("ul", {}, ...shown));
    }
    return parts;
  }

  statistics(found) {
    const text = (v) => (v === null ? "–" : Number(v).toPrecision(5).replace(/\.?0+(e|$)/, "$1"));
    const rows = [["elements", found.count], ["mean", text(found.mean)],
      ["deviation", text(found.deviation)], ["least", text(found.least)],
      ["most", text(found.most)], ["zeros", found.zeros]];
    if (found.finite < found.count) rows.push(["not finite", found.count - found.finite]);
    if (found.shown) rows.push(["values", found.shown]);
    const parts = [element("h3", {}, "Values"), list(rows)];
    if (found.bars.length > 1) parts.push(histogram(found, text));
    return parts;
  }
}

function list(rows) {
  return element("dl", {}, ...rows.flatMap(([k, v]) => [
    element("dt", {}, String(k)), element("dd", {}, String(v))]));
}

function histogram(found, text) {
  const most = Math.max(...found.bars), width = 240 / found.bars.length;
  const label = `Histogram of ${found.finite} values from ${text(found.least)} to ${
    text(found.most)}`;
  const svg = shape("svg", { class: "histogram", viewBox: "0 0 240 76", role: "img",
    "aria-label": label });
  found.bars.forEach((count, k) => {
    const height = count ? Math.max(1, 58 * count / most) : 0;
    const bar = shape("rect", { class: "bar", x: figure(k * width + 0.5), y: figure(60 - height),
      width: figure(width - 1), height: figure(height) });
    const step = (found.most - found.least) / found.bars.length;
    bar.append(shape("title", {}, `${text(found.least + k * step)} to ${
      text(found.least + (k + 1) * step)}: ${count}`));
    svg.append(bar);
  });
  svg.append(shape("text", { class: "faint", x: 0, y: 73, "font-size": 10 }, text(found.least)),
    shape("text", { class: "faint", x: 240, y: 73, "font-size": 10, "text-anchor": "end" },
      text(found.most)));
  return svg;
}
