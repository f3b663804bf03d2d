// What the page was given for one view, with names for the places in its lists.
function sceneOf(data, kinds) {
  const text = (n) => data.texts[n];
  const scene = {
    key: data.key, title: data.title, roots: data.roots, steps: data.steps, groups: data.groups,
    heat: data.heat, start: data.open,
    nodes: data.nodes.map(([name, op, kind, types, details, site, statistics]) => ({
      name, op: text(op), kind: kinds.nodes[kind], types: types.map(text), statistics,
      details: details.map(([k, v]) => [text(k), text(v)]), site: text(site), into: [], out: [],
    })),
    edges: data.edges.map(([source, target, kind, label, quiet]) => ({
      source, target, kind: kinds.edges[kind], label: text(label), quiet: !!quiet })),
    items: data.items.map(([label, note, kind, width, height, parent, children, fold, size, path],
      number) => ({ number, label, note, kind: kinds.nodes[kind], width, height, parent, children,
      fold, size, path })),
    levels: {},
  };
  for (const [number, [slots, blocks, edges]] of Object.entries(data.levels)) {
    scene.levels[number] = { slots, blocks, edges: edges.map(
      ([from, source, to, target, kind, members, route]) => ({ source: [from, source],
        target: [to, target], kind: kinds.edges[kind], edges: members, route })) };
    for (const edge of scene.levels[number].edges) {
      const first = scene.edges[edge.edges[0]].label;
      edge.label = edge.edges.every((e) => scene.edges[e].label === first) ? first : "";
    }
  }
  scene.edges.forEach((edge, number) => {
    scene.nodes[edge.source].out.push(number);
    scene.nodes[edge.target].into.push(number);
  });
  return scene;
}

const isGroup = (item) => item.children.length > 0;

function nodesIn(scene, number) {
  const found = [], pending = [number];
  while (pending.length) {
    const item = scene.items[pending.pop()];
    if (isGroup(item)) for (const c of item.children) pending.push(c);
    else found.push(item.number);
  }
  return found;
}

function* outwards(scene, number) {
  for (let at = number; at !== ROOT; at = scene.items[at].parent) yield at;
}

function typeText(node) {
  return node.types.join(", ");
}
