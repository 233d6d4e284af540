// Run in a page by live_view.py: how fast a thousand cells are drawn, and how fast their activity comes from the worker.
/** @param {{seconds: number}} options */
async ({ seconds }) => {
  const { loom } = await import("/loom.js");
  const { LiveView } = await import("/live_view.js");
  const place = document.createElement("div");
  place.style.width = "800px";
  document.body.prepend(place);
  /** @typedef {import("/view/live_layout.js").Grid} Grid */
  /** @typedef {import("/live_view.js").Arrangement} Arrangement */
  const statistics = (/** @type {number[]} */ values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (/** @type {number} */ q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
    return { median: at(0.5), p90: at(0.9), best: sorted[0], count: sorted.length };
  };
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

  /** Every cell changes with every frame. @param {Grid} grid @param {Arrangement} arrangement */
  const draw = async (grid, arrangement) => {
    const view = new LiveView(place, { grid, arrangement });
    const times = [];
    const gaps = [];
    const started = performance.now();
    for (let last = started, i = 0; performance.now() - started < 1000 * seconds; i++) {
      const values = Float32Array.from({ length: 2 * view.count }, (_, k) => 1 + Math.sin(k + i));
      view.show(values);
      await frame();
      const before = performance.now();
      view.paint(); // once more, to time it alone
      times.push(performance.now() - before);
      gaps.push(before - last);
      last = before;
    }
    const framesPerSecond = (1000 * gaps.length) / (performance.now() - started);
    view.dispose();
    return { framesPerSecond, paintMs: statistics(times), gapMs: statistics(gaps.slice(1)) };
  };

  const session = await loom.start();
  const WIDTH = 8;
  const config = (/** @type {Grid} */ { rows, cols, layers }) => ({
    grid_rows: rows,
    grid_cols: cols,
    layers_per_cell: layers,
    layers: Array.from({ length: rows * cols * layers }, (_, i) =>
      i % 2 ? { type: "residual" } : { type: "dense", input_size: WIDTH, output_size: WIDTH, activation: "tanh" },
    ),
  });
  /** Ticks one after another in the worker, each picture a typed array, drawn when it comes. @param {Grid} grid @param {Arrangement} arrangement */
  const path = async (grid, arrangement) => {
    const network = await session.createNetwork(config(grid), { seed: 1 });
    const state = await network.createStepState(WIDTH);
    const view = new LiveView(place, { grid, arrangement });
    const stop = new AbortController();
    let arrays = 0;
    const watching = network.watch(
      (activity) => {
        arrays++;
        view.show(activity);
      },
      { signal: stop.signal },
    );
    for (let i = 0; i < 10; i++) await state.stepForward();
    const [drawnBefore, arraysBefore, started] = [view.drawn, arrays, performance.now()];
    let ticks = 0;
    const steps = [];
    for (; performance.now() - started < 1000 * seconds; ticks++) {
      const on = ticks % 60 < 6;
      const [, ms] = await Promise.all([state.setInput(new Float32Array(WIDTH).fill(on ? 1 : 0)), state.stepForward()]);
      steps.push(ms);
    }
    const elapsed = (performance.now() - started) / 1000;
    /** @type {Record<string, unknown>} */
    const result = {
      picturesPerSecond: (view.drawn - drawnBefore) / elapsed,
      arraysPerSecond: (arrays - arraysBefore) / elapsed,
      ticksPerSecond: ticks / elapsed,
      tickMs: statistics(steps),
    };
    stop.abort();
    await watching;
    // the same numbers asked for one by one, as a typed array and as JSON
    await network.startActivity();
    await state.stepForward();
    const round = async (/** @type {() => Promise<unknown>} */ work) => {
      const times = [];
      for (let i = 0; i < 100; i++) {
        const before = performance.now();
        await work();
        times.push(performance.now() - before);
      }
      return statistics(times);
    };
    result.typedArrayMs = await round(() => network.getActivityArray());
    result.jsonMs = await round(() => network.call("GetActivity"));
    view.dispose();
    await state.dispose();
    await network.dispose();
    return result;
  };

  const flat = { rows: 25, cols: 40, layers: 1 };
  const cube = { rows: 10, cols: 10, layers: 10 };
  const out = {
    draw: {
      "25x40": await draw(flat, "beside"),
      "10x10x10 stacked": await draw(cube, "stacked"),
      "10x10x10 beside": await draw(cube, "beside"),
    },
    stepping: { "25x40": await path(flat, "beside"), "10x10x10 stacked": await path(cube, "stacked") },
  };
  session.dispose();
  place.remove();
  return out;
};
