// What a node needs, what needs it, and how one node leads to another.
function reach(scene, starts, forwards, kinds) {
  const seen = new Set(starts), pending = [...starts];
  while (pending.length) {
    const node = scene.nodes[pending.pop()];
    for (const number of forwards ? node.out : node.into) {
      const edge = scene.edges[number], next = forwards ? edge.target : edge.source;
      if (!seen.has(next) && !kinds.has(edge.kind)) {
        seen.add(next);
        pending.push(next);
      }
    }
  }
  return seen;
}

// The nodes on all paths from one set to the other, in whichever direction there are any.
function between(scene, from, to, hidden) {
  for (const [a, b] of [[from, to], [to, from]]) {
    const after = reach(scene, a, true, hidden), before = reach(scene, b, false, hidden);
    const both = new Set([...after].filter((n) => before.has(n)));
    if (both.size) return both;
  }
  return new Set();
}

function find(scene, words, most) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!parts.length) return [];
  const found = [];
  for (const item of scene.items) {
    if (item.parent === undefined || (item.size === 0)) continue;
    const node = isGroup(item) ? null : scene.nodes[item.number];
    if (!node && item.number < scene.nodes.length) continue;
    const name = (node ? node.name : item.path).toLowerCase();
    const all = node ? `${name} ${node.op} ${typeText(node)}`.toLowerCase() : name;
    if (!parts.every((p) => all.includes(p))) continue;
    const last = name.slice(name.lastIndexOf("/") + 1);
    const rank = last === parts[0] ? 0 : last.startsWith(parts[0]) ? 1 : name.includes(parts[0])
      ? 2 : 3;
    found.push([rank, name.length, item.number]);
  }
  found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return found.slice(0, most).map((f) => f[2]);
}
