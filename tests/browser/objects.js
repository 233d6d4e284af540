// Run in a page by test_objects.py: Python's objects through both interfaces, on either thread.
/** @param {{worker: boolean}} options */
async ({ worker }) => {
  const { loom, initLoom, InputError, RemoteObject, LoomObject, Network } = await import("/loom.js");
  const session = await loom.start({ worker });
  /** @type {Record<string, any>} */
  const out = {};
  const layers = [
    { type: "dense", input_size: 4, output_size: 5, activation: "tanh" },
    { type: "dense", output_size: 3, activation: "linear" },
  ];
  const samples = [
    { Input: [1, 0, 0, 1], Target: [1, 0, 0] },
    { Input: [0, 1, 1, 0], Target: [0, 1, 0] },
  ];
  const before = await session.liveObjects();
  const network = await session.createNetwork({ layers }, { seed: 7 });

  // every reflected method of every class is a method of its objects
  /** @type {Record<string, () => Promise<any>>} */
  const makers = {
    StepState: () => network.createStepState(4),
    TweenState: () => network.initTweenState({}),
    NetworkTween: () => network.createTweenState(true),
    AdaptationTracker: () => session.createAdaptationTracker(100, 1000),
    Toolbox: () => session.createToolbox(),
    ActivityObserver: () => session.create("ActivityObserver", 2),
    ChaseRun: () => session.create("ChaseRun", "Dense", 3, "TickBP", 600, 1),
  };
  out.classes = await session.classes();
  out.missing = [];
  out.wrong = [];
  const camel = (/** @type {string} */ name) =>
    name === "ToJSON" ? "asJSON" : name.charAt(0).toLowerCase() + name.slice(1);
  for (const kind of out.classes) {
    const object =
      kind === "Network" ? network : await (makers[kind] ?? (() => session.create(/** @type {any} */ (kind))))();
    if (!(object instanceof (kind === "Network" ? Network : RemoteObject)) || object.constructor.name !== kind)
      out.wrong.push(kind);
    const described = await session.methods(kind);
    for (const { method_name: name } of described)
      if (typeof object[camel(name)] !== "function") out.missing.push(`${kind}.${name}`);
    if (object !== network) await object.dispose();
  }

  // a step state on plain values
  const state = await network.createStepState(4, { recurrent: "carry" });
  const x = new Float32Array([1, 2, 3, 4]);
  out.nothing = await state.setInput(x);
  out.milliseconds = await state.stepForward();
  await state.stepForward();
  const output = await state.getOutput();
  out.kind = output.constructor.name;
  out.same = String(output) === String(await network.forward(x)); // two layers, two ticks, a constant input
  out.buffers = (await state.getLayerData()).map((buffer) => buffer.length);
  out.gradient = (await state.stepBackward(output)).length;
  await network.applyGradients(0.01);
  out.moved = String(await network.forward(x)) !== String(output);
  out.inputSize = await network.getInputSize();
  const other = await network.call("InitStepState", 4);
  await other.setInput([1, 2, 3, 4]);
  out.nanoseconds = await network.call("StepForward", other);
  out.count = await other.getStepCount();
  const caught = (/** @type {Promise<unknown>} */ work) =>
    work.then(
      () => null,
      (/** @type {import("/loom.js").LoomError} */ { name, text }) => ({ name, text }),
    );
  out.short = await caught(state.setInput([1]));
  out.null = await caught(state.setInput([NaN, 1, 2, 3]));
  out.foreign = await caught(network.call("StepForward", /** @type {any} */ (network)));
  out.unknown = await caught(state.call("Fly"));
  out.noclass = await caught(session.create(/** @type {any} */ ("StepStates")));
  await other.dispose();
  out.after = await caught(network.call("StepForward", other));

  // long methods, in steps
  /** @type {any[]} */
  const events = [];
  const result = await network.trainWithStepping({ LogEvery: 50 }, samples, 500, {
    onProgress: (event) => events.push(event),
  });
  out.stepping = {
    steps: events.map((e) => e.step),
    losses: String(events.map((e) => e.loss)) === String(result.LossHistory),
  };
  const stop = new AbortController();
  let lastStep = 0;
  const running = network.trainWithStepping({ LogEvery: 10 }, samples, 1e9, {
    signal: stop.signal,
    onProgress: ({ step }) => {
      lastStep = step;
      if (step > 1000) stop.abort(new Error("enough"));
    },
  });
  out.stopped = await running.then(
    () => null,
    (/** @type {Error} */ error) => error.message,
  );
  out.told = lastStep;
  out.usable = Number.isFinite((await network.forward(x))[0]);
  /** @type {number[]} */
  const epochs = [];
  await network.trainWithTweening(
    { EarlyStopThreshold: 200 },
    samples.map((s) => s.Input),
    [0, 1],
    5,
    0.1,
    0,
    { onProgress: (e) => epochs.push(e.Epoch) },
  );
  out.epochs = epochs;

  // tweening, tracker and comparison, tools, observers, watching
  const tween = await network.createTweenState(true);
  out.tween = [
    await tween.tweenStep(x, 1, 3, 0.05),
    await tween.getTweenSteps(),
    await tween.getChainRule(),
    (await tween.getLinkBudgets()).length,
  ];
  await tween.setChainRule(false);
  out.legacy = await tween.getChainRule();
  const inner = await tween.getState();
  out.inner = [inner.constructor.name, await inner.tweenStep(network, x, 1, 3, 0.05), await tween.getTweenSteps()];
  const tracker = await session.createAdaptationTracker(100, 1000);
  await tracker.setModelInfo("m", "n");
  await tracker.scheduleTaskChange(0, 1, "flee");
  await tracker.start("chase", 0);
  out.tracked = [await tracker.recordOutput(true), await tracker.getCurrentTask()];
  const outcomeOfTracker = await tracker.finalize();
  const comparison = await session.create("AdaptationComparison", [outcomeOfTracker]);
  await comparison.addResult(outcomeOfTracker);
  out.compared = [
    /** @type {any} */ (await comparison.asJSON()).results.length,
    (await comparison.getMostStable())?.model_name,
    (await comparison.summary("t")).split("\n").length,
  ];
  const box = await session.createToolbox();
  out.clusters = (
    await box.kmeansCluster(
      [
        [0, 0],
        [0, 1],
        [9, 9],
      ],
      2,
      100,
      "k-means++",
      1,
    )
  ).assignments;
  out.bound = await box
    .computeCorrelation(
      [
        [1, 2],
        [2, 4],
        [3, 6],
      ],
      ["a", "b"],
    )
    .then((result) => /** @type {any} */ (result).correlation.matrix[0][1]);
  const recording = await session.create("RecordingObserver", "mine");
  await network.addObserver(recording);
  await network.forward(x);
  await network.removeObserver(recording);
  out.recorded = (await recording.recorded()).total_events;
  /** @type {Float32Array[]} */
  const pictures = [];
  const watching = new AbortController();
  const watched = network.watch((activity) => pictures.push(activity), { signal: watching.signal });
  await network.trainWithStepping({}, samples, 1500);
  watching.abort();
  await watched;
  out.pictures = {
    several: pictures.length > 1,
    kind: pictures[0]?.constructor.name,
    length: pictures[0]?.length,
    lit: pictures.at(-1)?.every((v) => v > 0),
  };
  out.inspected = Object.keys(await network.inspectLayer(1, 8));
  const chase = await session.create("ChaseRun", "Dense", 3, "TickBP", 600, 1);
  let seen = 0;
  const outcome = await chase.play({ onProgress: () => seen++ });
  out.chase = [seen, outcome.outputs];

  for (const object of [state, tween, inner, tracker, comparison, box, recording, chase, network])
    await object.dispose();
  out.left = (await session.liveObjects()) - before;

  if (!worker) {
    await initLoom();
    const net = /** @type {import("/loom.js").LoomNetwork} */ (createLoomNetwork(JSON.stringify({ layers })));
    const [stepState] = net.InitStepState("[4]");
    const short = net.createStepState(4);
    short.setInput([1, 2, 3, 4]);
    stepState.SetInput("[[1,2,3,4]]");
    for (let i = 0; i < 2; i++) {
      short.stepForward();
      net.StepForward(JSON.stringify([stepState]));
    }
    const [text] = stepState.GetOutput();
    out.globals = {
      classes: [stepState instanceof LoomObject, stepState.constructor.name, short.constructor.name],
      equal: String(Float32Array.from(JSON.parse(text))) === String(short.getOutput()),
      forward: String(short.getOutput()) === String(net.forward([1, 2, 3, 4])),
      text: String(stepState.GetStepCount()),
      wrong: [
        stepState.SetInput("[[1]]"),
        /** @type {any} */ (stepState).SetInput(),
        net.StepForward("[3]"),
        stepState.StepForwardSingle('["x"]'),
      ],
      size: net.getInputSize(),
    };
    try {
      short.setInput([1]);
    } catch (error) {
      out.globals.thrown = error instanceof InputError;
    }
    const t = net.createTweenState();
    out.globals.tween = [
      typeof (/** @type {any} */ (t).TweenStep([1, 2, 3, 4], 1, 3, 0.05)),
      t.getChainRule(),
      t.getTweenSteps(),
    ];
    t.setChainRule(true);
    out.globals.chain = [t.getChainRule(), String(t.GetChainRule())];
    const tr = createAdaptationTracker(100, 1000);
    tr.setModelInfo("m", "n");
    tr.scheduleTaskChange(0, 2, "b");
    tr.start("a", 0);
    tr.recordOutput(true);
    out.globals.tracker = [
      tr.getCurrentTask(),
      JSON.parse(String(tr.finalize())).total_outputs,
      tr.finalize().model_name,
    ];
    out.globals.tools = createToolbox().silhouetteScore([[0], [1], [9]], [0, 0, 1]) > 0.5;
    try {
      /** @type {any} */ (globalThis).createAdaptationTracker("x");
    } catch (error) {
      out.globals.refused = /** @type {import("/loom.js").LoomError} */ (error).text;
    }
    stepState.dispose();
    try {
      stepState.getOutput();
    } catch (error) {
      out.globals.disposed = /** @type {import("/loom.js").LoomError} */ (error).text;
    }
  }
  session.dispose();
  return out;
};
