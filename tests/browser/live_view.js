// Run in a page by test_live_view.py: a view of its own, its pixels, and what its events do.
/** @param {import("/view/live_layout.js").Grid & {arrangement: import("/live_view.js").Arrangement}} options */
async ({ rows, cols, layers, arrangement }) => {
  const { LiveView } = await import("/live_view.js");
  const place = document.createElement("div");
  place.style.width = "600px";
  document.body.prepend(place);
  /** @type {number[]} */
  const opened = [];
  const count = rows * cols * layers;
  const names = Array.from({ length: count }, (_, i) => `kind ${i}`);
  const view = new LiveView(place, { grid: { rows, cols, layers }, names, onOpen: (i) => opened.push(i), arrangement });
  const context = /** @type {CanvasRenderingContext2D} */ (view.canvas.getContext("2d"));
  const ratio = view.canvas.width / parseFloat(view.canvas.style.width);
  // The colours of a cell: the gradient's mark in the middle, the activity between it and the edge.
  const pixel = (/** @type {number} */ index, /** @type {boolean} */ mark) => {
    const [x, y] = view.centre(index);
    const step = cols > 1 ? Math.abs(view.centre(layers)[0] - view.centre(0)[0]) : 40;
    const at = mark ? x : x + 0.32 * step;
    return [...context.getImageData(Math.floor(at * ratio), Math.floor(y * ratio), 1, 1).data];
  };
  const show = (/** @type {Float32Array} */ values) => {
    view.show(values);
    view.paint();
  };
  const top = Array.from({ length: rows * cols }, (_, cell) => cell * layers); // the first layer of every cell is never covered
  /** @type {Record<string, any> & {wrong: [what: string, lit: number, at: number][]}} */
  const out = { count, wrong: [] };
  show(new Float32Array(2 * count));
  const dark = top.map((i) => pixel(i, false));
  const unmarked = top.map((i) => pixel(i, true));
  for (const lit of [0, Math.floor(top.length / 2), top.length - 1].map((at) => at * layers)) {
    const values = new Float32Array(2 * count);
    values[lit] = 3;
    show(values);
    top.forEach((i, at) => {
      const changed = String(pixel(i, false)) !== String(dark[at]);
      if (changed !== (i === lit)) out.wrong.push(["activity", lit, i]);
    });
    values.fill(0);
    values[count + lit] = 2;
    show(values);
    top.forEach((i, at) => {
      const filled = String(pixel(i, false)) !== String(dark[at]);
      const marked = String(pixel(i, true)) !== String(unmarked[at]);
      if (filled || marked !== (i === lit)) out.wrong.push(["gradient", lit, i]);
    });
  }
  // brighter for more, dark below a thousandth, another colour for what is not finite
  const values = new Float32Array(2 * count);
  const [first, second] = [0, layers]; // of `top`
  values[first] = 1;
  const shade = (/** @type {number} */ value) => {
    values[second] = value;
    show(values);
    return pixel(second, false);
  };
  out.shades = [0, 0.0005, 0.01, 0.3, 1].map(shade);
  out.infinite = shade(Infinity);
  view.shown = "gradient";
  out.hidden = shade(1);
  view.shown = "both";
  show(values);

  const box = view.canvas.getBoundingClientRect();
  const press = (/** @type {number} */ index) => {
    const [x, y] = view.centre(index);
    view.canvas.dispatchEvent(new MouseEvent("click", { bubbles: true, clientX: box.x + x, clientY: box.y + y }));
  };
  for (const i of top) press(i);
  out.opened = opened.splice(0);
  out.top = top;
  view.canvas.dispatchEvent(new MouseEvent("click", { clientX: box.x - 40, clientY: box.y - 40 }));
  view.canvas.focus();
  const key = (/** @type {string} */ name) =>
    view.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  key("Home");
  key("ArrowRight");
  key("ArrowDown");
  key("PageDown");
  key("Enter");
  key("End");
  key("ArrowRight");
  key("Enter");
  key("Home");
  key("ArrowLeft");
  key(" ");
  out.keyed = opened;
  out.text = view.text.textContent;
  const before = view.drawn;
  for (let i = 0; i < 50; i++) view.show(values);
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  out.frames = view.drawn - before;
  view.dispose();
  out.gone = place.childElementCount;
  place.remove();
  return out;
};
