// Search, tabs, kinds of edges, keys.
class Search {
  constructor(app) {
    this.app = app;
    this.input = document.getElementById("search");
    this.list = document.getElementById("found");
    this.at = -1;
    this.input.addEventListener("input", () => this.show());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
  }

  show() {
    this.results = find(this.app.scene, this.input.value, 60);
    this.list.replaceChildren(...this.results.map((n, k) => {
      const item = this.app.scene.items[n], node = isGroup(item) ? null : this.app.scene.nodes[n];
      return element("li", { role: "option", id: `found-${k}`, "aria-selected": "false",
        onpointerdown: (e) => { e.preventDefault(); this.take(k); } },
      node ? node.name : item.path,
      element("small", {}, node ? `${node.op} ${typeText(node)}` : `group of ${item.size}`));
    }));
    const open = !!this.input.value.trim();
    if (open && !this.results.length) {
      this.list.append(element("li", { role: "option", "aria-disabled": "true" },
        "Nothing found"));
    }
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    this.go(this.results.length ? 0 : -1);
    if (open) this.app.say(`${this.results.length} found`);
  }

  go(at) {
    this.at = at;
    [...this.list.children].forEach((li, k) => li.setAttribute("aria-selected", String(k === at)));
    if (at >= 0) {
      this.input.setAttribute("aria-activedescendant", `found-${at}`);
      this.list.children[at].scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  take(at) {
    const number = this.results[at];
    this.close();
    if (number !== undefined) this.app.select(number, { reveal: true, centre: true });
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  key(event) {
    const last = (this.results || []).length - 1;
    const keys = { ArrowDown: () => this.go(Math.min(last, this.at + 1)),
      ArrowUp: () => this.go(Math.max(0, this.at - 1)), Enter: () => this.take(this.at),
      Escape: () => { this.close(); this.input.value = ""; this.input.blur(); } };
    if (keys[event.key]) {
      keys[event.key]();
      event.preventDefault();
    }
    event.stopPropagation();
  }
}

function makeLegend(app, kinds) {
  const legend = document.getElementById("legend");
  legend.append(...kinds.edges.map((kind) => {
    const svg = shape("svg", { viewBox: "0 0 30 8", "aria-hidden": "true" });
    svg.append(shape("path", { class: `wire e-${kind}`, d: "M1 4H29" }));
    const box = element("input", { type: "checkbox", "data-kind": kind, onchange: () => {
      if (box.checked) app.hidden.delete(kind);
      else app.hidden.add(kind);
      app.refresh();
    } });
    box.checked = true;
    return element("label", {}, box, svg, kind);
  }));
  const colours = document.getElementById("colours");
  colours.append(...["input", "variable", "constant", "product", "pointwise", "reduce", "move",
    "state", "composite", "host"].map((kind) => element("span", {}, element("span", {
    class: "dot", style: `background:var(--n-${kind});border-color:var(--s-${kind})` }), kind)));
}

function makeTabs(app) {
  const tabs = document.getElementById("tabs"), pictures = [...document.querySelectorAll(
    ".picture")];
  const pages = [...app.scenes.map((s) => [s.title, () => app.enter(s)]),
    ...pictures.map((p) => [p.dataset.title, () => app.picture(p)])];
  if (pages.length < 2) return;
  const buttons = pages.map(([title, act], k) => element("button", { role: "tab",
    "aria-selected": "false", tabindex: k ? "-1" : "0", onclick: () => {
      buttons.forEach((b, i) => {
        b.setAttribute("aria-selected", String(i === k));
        b.tabIndex = i === k ? 0 : -1;
      });
      act();
    } }, title));
  tabs.append(...buttons);
  tabs.addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
    e.stopPropagation();
  });
  buttons[0].setAttribute("aria-selected", "true");
}

function makeKeys(app) {
  const byId = (id) => document.getElementById(id), help = byId("help");
  const theme = () => {
    const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  };
  const acts = {
    "/": () => byId("search").focus(), f: () => app.stage.fit(), "+": () => app.stage.zoom(1.3),
    "=": () => app.stage.zoom(1.3), "-": () => app.stage.zoom(1 / 1.3),
    e: () => app.openAll(true), c: () => app.openAll(false), t: theme,
    a: () => app.selected !== null && app.markReach(nodesIn(app.scene, app.selected), false),
    d: () => app.selected !== null && app.markReach(nodesIn(app.scene, app.selected), true),
    p: () => app.selected !== null && app.path(app.selected), i: () => app.isolate(),
    "[": () => app.steps.go(app.step - 1), "]": () => app.steps.go(app.step + 1),
    "?": () => help.showModal(), Escape: () => app.clear(),
  };
  const arrows = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60],
    ArrowDown: [0, -60] };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || help.open) return;
    if (e.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (e.target === app.stage.element && arrows[e.key]) app.stage.move(...arrows[e.key]);
    else if (e.target === app.stage.element && e.key === "Enter" && app.selected !== null) {
      app.toggle(app.selected);
    } else if (acts[e.key]) acts[e.key]();
    else return;
    e.preventDefault();
  });
  for (const [id, key] of [["fit", "f"], ["zoom-in", "+"], ["zoom-out", "-"], ["open-all", "e"],
    ["close-all", "c"], ["theme", "t"], ["help-button", "?"]]) {
    byId(id).addEventListener("click", acts[key]);
  }
}
