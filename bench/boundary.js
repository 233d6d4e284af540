// Run in a page by boundary.py: what it costs to bring numbers to Python and back. Milliseconds.
/** @param {{size: number, rounds: number}} options */
async ({ size, rounds }) => {
  const { boot, initLoom, loom } = await import("/loom.js");
  await initLoom();
  const { pyodide, bridge } = await boot();
  const network = NewNetwork(size, 1, 1, 1);
  if (typeof network === "string") throw new Error(network);
  // One activation, no weights: all but the boundary is a few microseconds a kilobyte
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  const plain = Array.from(values);

  const statistics = (/** @type {number[]} */ times) => {
    const sorted = [...times].sort((a, b) => a - b);
    const at = (/** @type {number} */ q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
    return { median: at(0.5), p90: at(0.9), best: sorted[0] };
  };
  // Each time is the mean of a few calls in a row: a browser's clock has steps of 5 µs or more.
  const measure = (/** @type {() => unknown} */ work, count = rounds, calls = 20) => {
    for (let i = 0; i < 20; i++) work();
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      for (let k = 0; k < calls; k++) work();
      times.push((performance.now() - start) / calls);
    }
    return statistics(times);
  };
  const measureDistant = async (/** @type {() => Promise<unknown>} */ work, count = rounds) => {
    for (let i = 0; i < 20; i++) await work();
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await work();
      times.push(performance.now() - start);
    }
    return statistics(times);
  };

  const inward = pyodide.runPython("from loom_py.bridge.arrays import from_js\nlambda values: len(from_js(values))");
  const outward = pyodide.runPython(
    `import numpy as np\nfrom loom_py.bridge.arrays import to_js\n_out = np.sin(np.arange(${size}, dtype=np.float32))\nlambda: to_js(_out)`,
  );
  const jsonIn = pyodide.runPython(
    "from loom_py.schema.strict import parse_json as _p\nlambda text: len(_p(text, where='x'))",
  );
  const jsonOut = pyodide.runPython("from loom_py.bridge.values import to_json_text as _t\nlambda: _t(_out)");
  const few = Math.max(10, Math.floor(rounds / 10));
  /** @type {Record<string, unknown>} */
  const results = {
    typed: {
      toPython: measure(() => inward(values)),
      toJavaScript: measure(() => outward()),
      forward: measure(() => network.forward(values)),
    },
    json: {
      toPython: measure(() => jsonIn(JSON.stringify(plain)), few, 1),
      toJavaScript: measure(() => JSON.parse(jsonOut()), few, 1),
      ForwardCPU: measure(() => JSON.parse(network.ForwardCPU(JSON.stringify([plain])))[0], few, 1),
    },
    call: measure(() => bridge.live()),
  };
  for (const proxy of [inward, outward, jsonIn, jsonOut]) proxy.destroy();
  const session = await loom.start({ worker: true });
  const config = { layers: [{ type: "softmax" }] }; // takes any size, and is cheap
  const distant = await session.createNetwork(config);
  results.worker = { forward: await measureDistant(() => distant.forward(values)) };
  session.dispose();
  return results;
};
