// The same graph as a tree that keyboard and screen reader go through. Branches are made as they
// open. The pattern is that of a tree view in the ARIA Authoring Practices.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

class Outline {
  constructor(list, app) {
    Object.assign(this, { list, app, rows: new Map(), typed: "", typedAt: 0 });
    list.addEventListener("keydown", (e) => this.key(e));
    list.addEventListener("focusin", (e) => this.reachable(e.target.closest("li")));
  }

  fill() {
    this.rows.clear();
    this.list.replaceChildren(...this.branch(this.app.scene.roots, 1));
    const first = this.list.querySelector("li");
    if (first) first.tabIndex = 0;
    this.mark(this.app.selected);
  }

  branch(numbers, level) {
    const here = numbers.filter((n) => this.app.seen.item(n));
    return here.map((n, k) => this.row(n, level, k + 1, here.length));
  }

  row(number, level, place, count) {
    const { app } = this, item = app.scene.items[number], group = isGroup(item);
    const open = group && app.open.has(number);
    const note = item.fold ? `×${item.fold}` : group ? `${item.size}` : app.scene.nodes[number].op;
    const dot = element("span", { class: "dot", "aria-hidden": "true",
      style: `background:var(--n-${item.kind});border-color:var(--s-${item.kind})` });
    const row = element("li", { role: "treeitem", tabindex: "-1", "aria-level": level,
      "aria-posinset": place, "aria-setsize": count, "aria-selected": "false",
      "aria-expanded": group ? String(open) : null, "aria-label": this.spoken(item),
      "data-item": number },
    element("div", { class: "row", onclick: (e) => {
      if (e.target.classList.contains("twig")) app.toggle(number);
      else app.select(number, { centre: true });
    }, ondblclick: () => app.toggle(number) },
    element("span", { class: "twig", "aria-hidden": "true" }, group ? (open ? "▾" : "▸") : ""),
    dot, element("span", {}, item.label), element("small", {}, note)));
    if (open) row.append(element("ul", { role: "group" }, ...this.branch(item.children, level + 1)));
    this.rows.set(number, row);
    return row;
  }

  spoken(item) {
    if (item.fold) return `${item.label}, ${item.fold} equal blocks, ${item.size} nodes`;
    if (isGroup(item)) return `${item.label}, group of ${item.size} nodes`;
    const node = this.app.scene.nodes[item.number];
    return [item.label, node.op, typeText(node)].filter(Boolean).join(", ");
  }

  refresh(numbers) {  // after groups opened or closed
    const focused = document.activeElement && document.activeElement.closest
      && document.activeElement.closest("#outline li");
    const number = focused && +focused.dataset.item;
    for (const n of numbers) {
      const old = this.rows.get(n);
      if (!old || !old.isConnected) continue;
      const { ariaLevel, ariaPosInSet, ariaSetSize } = old;
      old.replaceWith(this.row(n, +ariaLevel, +ariaPosInSet, +ariaSetSize));
    }
    this.mark(this.app.selected);
    if (number !== null && this.rows.has(number)) {
      this.reachable(this.rows.get(number));
      this.rows.get(number).focus({ preventScroll: true });
    } else if (!this.list.querySelector('li[tabindex="0"]')) {
      this.reachable(this.list.querySelector("li"));
    }
  }

  mark(number) {
    for (const row of this.list.querySelectorAll('[aria-selected="true"]')) {
      row.setAttribute("aria-selected", "false");
    }
    const row = this.rows.get(number);
    if (!row || !row.isConnected) return;
    row.setAttribute("aria-selected", "true");
    row.firstElementChild.scrollIntoView({ block: "nearest" });
    this.reachable(row);
  }

  reachable(row) {  // one row is in the order of the tab key
    if (!row) return;
    for (const other of this.list.querySelectorAll('li[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
  }

  key(event) {
    const row = event.target.closest("li");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const number = +row.dataset.item, item = this.app.scene.items[number];
    const all = [...this.list.querySelectorAll("li")], at = all.indexOf(row);
    const go = (next) => next && this.app.select(+next.dataset.item, { focus: true, centre: true });
    const keys = {
      ArrowDown: () => go(all[at + 1]), ArrowUp: () => go(all[at - 1]),
      Home: () => go(all[0]), End: () => go(all[all.length - 1]),
      ArrowRight: () => {
        if (isGroup(item) && !this.app.open.has(number)) this.app.toggle(number);
        else if (isGroup(item)) go(all[at + 1]);
      },
      ArrowLeft: () => {
        if (isGroup(item) && this.app.open.has(number)) this.app.toggle(number);
        else if (item.parent !== ROOT) go(this.rows.get(item.parent));
      },
      Enter: () => (isGroup(item) ? this.app.toggle(number) : this.app.select(number,
        { centre: true })),
      " ": () => this.app.select(number, { centre: true }),
    };
    if (keys[event.key]) {
      keys[event.key]();
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
