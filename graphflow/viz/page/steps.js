// A view that changes: which nodes exist after each pass, and what the pass did to them.
class Steps {
  constructor(app) {
    this.app = app;
    this.bar = document.getElementById("steps");
    this.range = document.getElementById("step");
    this.ghosts = document.getElementById("step-ghosts");
    this.title = document.getElementById("step-title");
    this.range.addEventListener("input", () => this.go(+this.range.value));
    this.ghosts.addEventListener("change", () => this.go(app.step));
    document.getElementById("step-back").addEventListener("click", () => this.go(app.step - 1));
    document.getElementById("step-on").addEventListener("click", () => this.go(app.step + 1));
  }

  enter() {
    const { scene } = this.app;
    this.bar.hidden = !scene.steps.length;
    if (scene.steps.length) {
      this.range.max = scene.steps.length - 1;
      this.go(scene.steps.length > 1 ? 1 : 0, true);
    }
  }

  go(number, quiet) {
    const { app } = this, { steps } = app.scene;
    if (!steps.length) return;
    app.step = Math.min(steps.length - 1, Math.max(0, number));
    const step = steps[app.step];
    this.range.value = app.step;
    const text = `${app.step} of ${steps.length - 1}: ${step.title}`;
    this.title.textContent = `${text} · ${step.note}`;
    this.range.setAttribute("aria-valuetext", `${text}, ${step.note}`);
    app.changes = new Map([...step.added.map((n) => [n, "added"]),
      ...step.changed.map((n) => [n, "changed"]), ...step.removed.map((n) => [n, "removed"])]);
    app.present = new Set(step.present);
    if (this.ghosts.checked) for (const n of step.removed) app.present.add(n);
    app.presentEdges = new Set(step.edges);
    if (this.ghosts.checked && app.step) {
      const gone = new Set(step.removed);
      for (const e of steps[app.step - 1].edges) {
        const { source, target } = app.scene.edges[e];
        if (gone.has(source) || gone.has(target)) app.presentEdges.add(e);
      }
    }
    if (quiet) return;
    app.refresh();
    app.showChange();
    app.details.show(app.selected);
    app.say(`${text}, ${step.note}`);
  }
}

function stepLines(app) {
  const step = app.scene.steps[app.step];
  if (!step) return [];
  const lines = step.lines.map(([mark, text]) => element("div", { class: mark === "+" ? "plus"
    : mark === "-" ? "minus" : "" }, `${mark} ${text}`));
  return [element("h3", {}, step.title), element("div", {}, step.note),
    element("div", { class: "diff" }, ...lines)];
}
