// plotly.js comes from the kernel's installed plotly package, once a page, and is shared by every
// figure on it; where JupyterLab has drawn a stored figure before, the page has it already. `page`
// lives on globalThis because each figure imports its own copy of this module.
const PATIENCE_MS = 5000;
const page = () => (globalThis.devopsLabPage ??= newPage());

function newPage() {
  const page = { askedAt: -Infinity };
  page.plotly = new Promise((resolve, reject) => {
    if (globalThis.Plotly) resolve(globalThis.Plotly);
    page.receive = (gzipped) => {
      page.receive = () => {};
      run(gzipped).then(resolve, reject);
    };
  });
  // After a failure the next figure starts afresh, instead of inheriting the failure.
  page.plotly.catch(() => delete globalThis.devopsLabPage);
  return page;
}

async function run(gzipped) {
  const script = new Blob([gzipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const headers = { "Content-Type": "text/javascript" };
  const url = URL.createObjectURL(await new Response(script, { headers }).blob());
  try {
    await new Promise((loaded, failed) => {
      document.head.append(
        Object.assign(document.createElement("script"), {
          src: url,
          onload: loaded,
          onerror: () => failed(new Error("the script did not load")),
        }),
      );
    });
  } finally {
    URL.revokeObjectURL(url);
  }
  if (!globalThis.Plotly) throw new Error("the script defines no Plotly");
  return globalThis.Plotly;
}

// One figure asks, all figures wait. A figure that was asked for may be closed before the answer
// comes, or its kernel may be gone: after a while the next figure asks, each of them once.
function keepAsking(model) {
  const timer = setInterval(ask, 250);
  ask();
  return () => clearInterval(timer);

  function ask() {
    if (performance.now() - page().askedAt < PATIENCE_MS) return;
    page().askedAt = performance.now();
    clearInterval(timer);
    model.send({ type: "plotly?" });
  }
}

const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
};
const decoded = new WeakMap();

// The same bytes give the same array object: this is how plotly sees what has not changed.
function decode({ dtype, bytes }) {
  if (!decoded.has(bytes)) {
    const start = bytes.byteOffset;
    const aligned = bytes.buffer.slice(start, start + bytes.byteLength);
    decoded.set(bytes, new ARRAYS[dtype](aligned));
  }
  return decoded.get(bytes);
}

// A fresh copy, since plotly writes into what it is given, with each {array: name} filled in.
function filled(tree, arrays) {
  if (Array.isArray(tree)) return tree.map((branch) => filled(branch, arrays));
  if (tree === null || typeof tree !== "object") return tree;
  if (typeof tree.array === "string" && tree.array in arrays) return decode(arrays[tree.array]);
  return Object.fromEntries(Object.entries(tree).map(([key, at]) => [key, filled(at, arrays)]));
}

// Titles, axes and legend are most of what a repaint costs. Where nothing but numbers has changed,
// and no axis follows them, the marks are moved and all else stays.
const AT_ONCE = {
  mode: "immediate",
  transition: { duration: 0 },
  frame: { duration: 0, redraw: false },
};
function onlyNumbersMove(now, before) {
  const isSame = ["traces", "arrangement", "look", "width"].every((part) => now[part] === before?.[part]);
  return isSame && now.traces.every((trace) => isMovable(trace, now)) && !hasComeOrGone(now, before);
}

function isMovable({ type = "scatter", xaxis = "x", yaxis = "y" }, { arrangement }) {
  const hasRange = (axis) => arrangement[axis.replace(/^./, "$&axis")]?.range;
  // Moved in this way, a bar that is new has no colour.
  return type === "scatter" && hasRange(xaxis) && hasRange(yaxis);
}

// An empty trace is no trace to plotly, and the legend knows.
function hasComeOrGone(now, before) {
  const isEmpty = (arrays, path) => arrays[path].bytes.byteLength === 0;
  return Object.keys(now.arrays).some((path) => isEmpty(now.arrays, path) !== isEmpty(before.arrays, path));
}

// In a table sent ahead, the controls choose the frame here in the browser.
const sizeOf = (control) =>
  control.get("_options_labels")?.length ??
  (typeof control.get("value") === "boolean"
    ? 2
    : Math.round((control.get("max") - control.get("min")) / control.get("step")) + 1);
const positionOf = (control) =>
  control.get("index") ??
  (typeof control.get("value") === "boolean"
    ? Number(control.get("value"))
    : Math.round((control.get("value") - control.get("min")) / control.get("step")));

function settled(model, controls) {
  const parts = ["traces", "arrangement", "arrays", "finding", "summary"];
  const shown = Object.fromEntries(parts.map((part) => [part, model.get(part)]));
  const at = controls.reduce((at, control) => at * sizeOf(control) + positionOf(control), 0);
  const frame = model.get("frames")[at] ?? {};
  return { ...shown, ...frame, arrays: { ...shown.arrays, ...frame.arrays } };
}

const isDark = () => document.body.dataset.jpThemeLight === "false";

async function render({ model, el }) {
  // To those who hear the page the figure is one picture with a name, not its hundred shapes.
  const picture = document.createElement("div");
  const box = document.createElement("div");
  const finding = document.createElement("p");
  const summary = document.createElement("p");
  picture.setAttribute("role", "img");
  picture.append(finding, box);
  for (const part of [finding, box]) part.setAttribute("aria-hidden", "true");
  finding.className = "devops-lab-finding";
  summary.setAttribute("role", "status");
  summary.setAttribute("aria-live", "polite");
  summary.className = "devops-lab-summary";
  summary.textContent = model.get("waiting");
  el.classList.add("devops-lab-figure");
  el.append(picture, summary);

  let alive = true;
  let painting = false;
  let stale = false;
  let width = 0;
  let drawn;
  let plotly;
  let controls = [];

  // Newest wins: what arrives during a paint waits for the next frame, and only the last of it.
  async function paint() {
    stale = true;
    // What is hidden has no width: a figure keeps the one it had, or waits for its first.
    width = box.clientWidth || width;
    if (painting || !plotly || !width) return;
    painting = true;
    while (stale && alive) {
      stale = false;
      await draw().catch((error) => {
        summary.textContent = `${model.get("failure")} (${error.message})`;
      });
      if (stale) await new Promise(requestAnimationFrame);
    }
    painting = false;
  }

  async function draw() {
    const look = isDark() ? "dark" : "light";
    const now = { ...settled(model, controls), look, width };
    const before = drawn;
    drawn = undefined;
    say(now);
    const traces = filled(now.traces, now.arrays);
    if (onlyNumbersMove(now, before)) {
      await plotly.animate(box, { data: traces, traces: [...traces.keys()] }, AT_ONCE);
    } else {
      const layout = filled(now.arrangement, now.arrays);
      layout.template = model.get("templates")[look];
      layout.width ??= width;
      await plotly.react(box, traces, layout, model.get("config"));
    }
    drawn = now;
  }

  function say(now) {
    const words = plain(now.finding);
    // What is written again is read aloud again.
    if (finding.textContent !== words) finding.textContent = words;
    if (summary.textContent !== now.summary) summary.textContent = now.summary;
    picture.setAttribute("aria-label", words || now.summary);
  }

  const theme = new MutationObserver(paint);
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  const size = new ResizeObserver(() => {
    if (box.clientWidth && box.clientWidth !== width) requestAnimationFrame(paint);
  });
  size.observe(el);
  model.on("change", paint);

  const stopAsking = keepAsking(model);
  const find = (reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
  Promise.all([page().plotly, ...model.get("controls").map(find)])
    .then(([loaded, ...found]) => {
      if (!alive) return;
      [plotly, controls] = [loaded, found];
      for (const control of controls) control.on("change:value change:index", paint);
      return paint();
    })
    .catch((error) => {
      summary.textContent = `${model.get("failure")} (${error.message})`;
      summary.setAttribute("role", "alert");
    })
    .finally(stopAsking);

  return () => {
    alive = false;
    stopAsking();
    theme.disconnect();
    size.disconnect();
    for (const control of controls) control.off("change:value change:index", paint);
    plotly?.purge(box);
  };
}

// Titles carry plotly's own markup (<b>, <br>); a label that is read aloud does not.
const plain = (text) => text.replace(/<br\s*\/?>/g, " ").replace(/<[^>]*>/g, "");

function initialize({ model }) {
  model.on("msg:custom", (message, buffers) => {
    if (message.type === "plotly") page().receive(buffers[0]);
  });
}

export default { initialize, render };
