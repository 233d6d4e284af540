// Run in a page by test_leaks.py.
/** @param {{worker: boolean, networks: number, counter: string}} options */
async ({ worker, networks, counter }) => {
  const { loom, boot, initLoom } = await import("/loom.js");
  const session = await loom.start({ worker });
  if (!worker) {
    const script = counter.replace('"./loom.js"', JSON.stringify(`${location.origin}/loom.js`));
    await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  }
  const channel = new BroadcastChannel("proxies");
  const count = async () => {
    /** @type {Promise<{proxies: number, heap: number}>} */
    const answer = new Promise((resolve) => (channel.onmessage = ({ data }) => resolve(data)));
    channel.postMessage("count");
    const { proxies, heap } = await answer;
    return { proxies, heap, objects: await session.liveObjects() };
  };
  const layers = [
    { type: "dense", input_size: 2, output_size: 8, activation: "tanh" },
    { type: "lstm", input_size: 8, hidden_size: 4, seq_length: 1 },
    { type: "dense", output_size: 1, activation: "sigmoid" },
  ];
  const xor = [0, 1, 2, 3].map((i) => ({ input: [i >> 1, i & 1], target: [(i >> 1) ^ (i & 1)] }));
  /** @type {Record<string, any> & {cancelled: number, stopped: number[], usable: boolean}} */
  const out = { epochs: 200000, cancelled: 0, stopped: [], usable: true };
  /** @param {number} seed @param {() => void | Promise<void>} [inside] */
  const cycle = async (seed, inside = () => {}) => {
    const network = await session.createNetwork({ layers }, { seed });
    const stop = new AbortController();
    let epoch = 0;
    const training = network.train(
      xor,
      { epochs: out.epochs, learningRate: 0.1 },
      {
        signal: stop.signal,
        onProgress: (p) => {
          epoch = p.epoch;
          if (epoch >= out.epochs / 10) stop.abort(new Error("long enough"));
        },
      },
    );
    const message = await training.then(
      () => "finished",
      (/** @type {Error} */ error) => error.message,
    );
    const values = await network.forward(new Float32Array([0, 1]));
    await network.call("GetBlueprint").catch(() => {});
    await network.forward([1, 2, 3]).catch(() => {}); // an error's proxies go, too
    await inside();
    await network.dispose();
    return { message, epoch, finite: Number.isFinite(values[0]) };
  };
  await count();
  await cycle(0);
  await cycle(0);
  out.before = await count();
  for (let i = 1; i <= networks; i++) {
    const { message, epoch, finite } = await cycle(i, async () => {
      if (i === 3) out.during = await count();
    });
    if (message === "long enough") out.cancelled++;
    out.stopped.push(epoch);
    out.usable &&= finite;
  }
  out.afterNetworks = await count();
  const network = await session.createNetwork({ layers }, { seed: 1 });
  const input = new Float32Array([0, 1]);
  for (let i = 0; i < 500; i++) {
    await network.forward(input);
    await network.call(i % 2 ? "TotalLayers" : "Activations");
  }
  await network.dispose();
  out.afterCalls = await count();
  if (worker) {
    out.heldProxies = 1; // checked on the other thread, where the test can hold one
    session.dispose();
    return out;
  }
  await initLoom();
  const calls = () => {
    const network = createLoomNetwork(JSON.stringify({ layers }));
    if (typeof network === "string") throw new Error(network);
    for (let i = 0; i < 50; i++) network.ForwardCPU("[[0,1]]");
    network.Train(JSON.stringify([[{ Input: [0, 1], Target: [1] }], { Epochs: 3 }]));
    network.ForwardCPU("[[1,2,3]]");
    network.forward(input);
    network.dispose();
  };
  calls();
  const first = await count();
  for (let i = 0; i < 10; i++) calls();
  const second = await count();
  out.globals = {
    ...out.afterCalls,
    proxies: out.afterCalls.proxies + second.proxies - first.proxies,
    objects: second.objects,
  };
  const { pyodide } = await boot();
  pyodide.runPython("[1, 2]").destroy();
  const without = await count();
  const held = pyodide.runPython("[1, 2]");
  out.heldProxies = (await count()).proxies - without.proxies;
  held.destroy();
  return out;
};
