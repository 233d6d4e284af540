// Run in a page by test_api.py: everything a session does, on either thread.
/** @param {{worker: boolean, files: [name: string, bytes: number[]][]}} options */
async ({ worker, files }) => {
  const { loom, ConfigError, InputError, FormatError } = await import("/loom.js");
  /** @type {import("/loom.js").Progress[]} */
  const progress = [];
  const session = await loom.start({ worker, onProgress: (p) => progress.push(p) });
  /** @type {Record<string, any>} */
  const out = { version: session.version, capabilities: session.capabilities };
  out.given_up = await loom.start({ worker, signal: AbortSignal.timeout(1) }).then(
    () => "started",
    (/** @type {Error} */ e) => e.name,
  );
  const layers = [
    { type: "dense", input_size: 2, output_size: 8, activation: "gelu" },
    { type: "dense", output_size: 1, activation: "sigmoid" },
  ];
  const before = await session.liveObjects();
  const network = await session.createNetwork({ layers }, { seed: 1 });
  const xor = [0, 1, 2, 3].map((i) => ({ input: [i >> 1, i & 1], target: [(i >> 1) ^ (i & 1)] }));
  let epochs = 0;
  const result = await network.train(
    xor,
    { epochs: 2000, learningRate: 0.2 },
    { onProgress: (p) => (epochs = p.epoch) },
  );
  out.epochs = epochs;
  out.loss = result.FinalLoss;
  const outputs = await Promise.all(xor.map(({ input }) => network.forward(new Float32Array(input))));
  out.outputs = outputs.map((values) => values[0]);
  out.kind = outputs[0]?.constructor.name;
  out.score = (
    await network.evaluate(
      xor.map((b) => b.input),
      [0, 1, 1, 0],
    )
  ).total_samples;
  const again = await session.loadNetwork(await network.save("xor"), "xor");
  out.same = (await again.forward([0, 1]))[0] === outputs[1]?.[0];
  out.info = await again.call("GetNetworkInfo");
  out.nothing = await again.call("ZeroGradients");

  const caught = async (/** @type {() => unknown} */ work) => {
    try {
      await work();
      return null;
    } catch (reason) {
      const error = /** @type {Error & {where?: string, text?: string}} */ (reason);
      return {
        name: error.name,
        where: error.where,
        text: error.text ?? error.message,
        kinds: [ConfigError, InputError, FormatError].filter((c) => error instanceof c).map((c) => c.name),
      };
    }
  };
  out.config = await caught(() => session.createNetwork({ layers: [{ type: "warp" }] }));
  out.format = await caught(() => session.loadNetwork("{}", "x"));
  out.input = await caught(() => network.forward([1, 2, 3]));
  out.nofiles = await caught(() => session.loadModel([]));

  const stop = new AbortController();
  const reason = new Error("enough");
  let seen = 0;
  /** @type {Promise<void> | undefined} */
  let meanwhile;
  const training = network.train(
    xor,
    { epochs: 1e6, learningRate: 0.1 },
    {
      signal: stop.signal,
      onProgress: (p) => {
        seen = p.epoch;
        if (p.epoch > 50)
          meanwhile ??= caught(() => network.call("InitializeWeights", 3)).then((error) => {
            out.meanwhile = error;
            stop.abort(reason);
          });
      },
    },
  );
  out.reason = await training.then(
    () => "finished",
    (error) => error === reason,
  );
  out.stoppedAfter = seen;
  out.usable = Number.isFinite((await network.forward([1, 0]))[0]);
  out.early = await caught(() => network.train(xor, {}, { signal: AbortSignal.abort() }));

  const model = await session.loadModel(files.map(([name, bytes]) => new File([new Uint8Array(bytes)], name)));
  /** @type {import("/loom.js").Piece[]} */
  const pieces = [];
  for await (const piece of model.complete("Once", { maxTokens: 5, temperature: 0 })) pieces.push(piece);
  out.pieces = pieces;
  let count = 0;
  for await (const piece of model.chat("Hello", { maxTokens: 200, temperature: 1, seed: 3 })) {
    if (piece.done || ++count === 3) break;
  }
  /** @type {(number | undefined)[]} */
  const second = [];
  for await (const piece of model.complete("Once", { maxTokens: 5, temperature: 0 })) second.push(piece.id);
  out.repeated = JSON.stringify(second) === JSON.stringify(pieces.map((p) => p.id));
  const quit = new AbortController();
  out.aborted = await caught(async () => {
    for await (const piece of model.chat([{ role: "user", content: "Hi" }], { maxTokens: 250, signal: quit.signal })) {
      void piece;
      quit.abort();
    }
  });
  out.option = await caught(async () => {
    for await (const piece of model.complete("x", /** @type {{}} */ ({ heat: 1 }))) void piece;
  });

  await Promise.all([network, again, model].map((thing) => thing.dispose()));
  out.left = (await session.liveObjects()) - before;
  out.disposed = await caught(() => network.forward([0, 0]));
  out.symbol = typeof session[Symbol.dispose];
  session.dispose();
  out.after = await caught(() => session.createNetwork({ layers }));
  out.statuses = [...new Set(progress.map((p) => p.status))];
  return out;
};
