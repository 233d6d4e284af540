// Run in a page by test_fuzz.py.
/** @param {{seed: number, calls: number, warmUp: number, files: Record<string, number[]>}} options */
async ({ seed, calls, warmUp, files }) => {
  const { boot, LoomError, InternalError } = await import("/loom.js");
  const { pyodide } = await boot();

  // mulberry32: the same calls for the same seed
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (/** @type {number} */ n) => Math.floor(random() * n);
  const pick = (/** @type {any[]} */ items) => items[below(items.length)];

  const config = {
    seed: 3,
    layers: [
      { type: "dense", input_size: 4, output_size: 6, activation: "tanh" },
      { type: "lstm", input_size: 6, hidden_size: 4, seq_length: 1 },
      { type: "dense", output_size: 2, activation: "sigmoid" },
    ],
  };
  const batches = [
    { Input: [1, 0, 0, 1], Target: [1, 0] },
    { Input: [0, 1, 1, 0], Target: [0, 1] },
  ];
  /** Its methods by name, called with anything. @returns {any} */
  const make = () => createLoomNetwork(JSON.stringify(config));
  const bytes = (/** @type {string} */ name) => new Uint8Array(files[name] ?? []);
  const train = () => JSON.parse(make().Train(JSON.stringify([batches, { Epochs: 1000, LearningRate: 0.3 }])))[0];
  LoadTokenizerFromBytes(bytes("tokenizer.json"));
  const model = () => LoadTransformerFromBytes(bytes("config.json"), bytes("model.safetensors"));
  model();

  const huge = new Array(200_000).fill(0.5);
  const deep = (/** @type {number} */ depth) => "[".repeat(depth) + "]".repeat(depth);
  const nested = () => {
    /** @type {unknown} */
    let value = 1;
    for (let i = below(150); i > 0; i--) value = random() < 0.5 ? [value] : { a: value };
    return value;
  };
  // prettier-ignore
  const strings = ["", "x", "π", "🙂👩‍👩‍👧", "\ud800", "\u0000", "a\u202eb", "__proto__", "constructor", "../../etc/passwd", "ForwardCPU",
                     "_rows", "__class__", "toString", "m", "dense", "<script>alert(1)</script>", "1e999", "x".repeat(5000), "{", "[", "null"];
  // prettier-ignore
  const numbers = [0, -0, 1, 2, 3, -1, 0.5, 1e-300, 1e300, 2 ** 31, 2 ** 53, -(2 ** 63), 1e15, NaN, Infinity, -Infinity, 17];
  // prettier-ignore
  const keys = ["__proto__", "constructor", "prototype", "Type", "type", "Kernel", "Bias", "layers", "Epochs", "LearningRate", "Input",
                  "Target", "π", "", "length", "Optimizer", "Scheduler", "LossType"];
  const sensible = [
    [1, 0, 0, 1],
    [0.1, -0.1],
    [[1, 0, 0, 1]],
    batches,
    { LearningRate: 0.1 },
    config,
    { Type: "adamw" },
    1,
    "m",
  ];
  /** @returns {unknown} */
  const anything = (depth = 0) => {
    const choice = below(depth > 3 ? 6 : 12);
    if (choice === 0) return pick([null, true, false]);
    if (choice <= 2) return pick(numbers);
    if (choice <= 4) return pick(strings);
    if (choice === 5) return pick(sensible);
    if (choice <= 8) return Array.from({ length: below(6) }, () => anything(depth + 1));
    if (choice === 9) return nested();
    const pairs = Array.from({ length: below(4) }, () => [pick(keys), anything(depth + 1)]);
    return JSON.parse(`{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v) ?? "null"}`).join(",")}}`);
  };
  // Long training and large layers are legitimate requests, so ask for small ones only.
  const tame = (/** @type {string} */ text) =>
    text.replace(/("(?:Epochs|epochs|AccumulationSteps)":)\s*[\d.e+]+/g, "$12");
  const rarely = (/** @type {number} */ n) => below(n) === 0;
  const json = (/** @type {number} */ count) => {
    if (rarely(60)) return deep(pick([50, 95, 97, 5000, 100_000]));
    if (rarely(200)) return JSON.stringify([huge]);
    if (rarely(15))
      return pick([
        "",
        " ",
        "[",
        "{",
        "[1,]",
        "[NaN]",
        "[1e999]",
        '["\\ud800"]',
        "[[[",
        "nul",
        "[01]",
        "\ufeff[]",
        ...strings,
      ]);
    let text = tame(JSON.stringify(Array.from({ length: count }, () => anything())));
    if (rarely(10)) text = text.slice(0, below(text.length)) + pick(strings) + text.slice(below(text.length));
    return text;
  };
  /** @type {unknown[]} */
  const loop = [];
  loop.push(loop);
  // prettier-ignore
  const raw = () => pick([
        undefined, null, 0, NaN, -1, 2.5, 1n, Symbol("s"), () => 1, {}, [], Object.create(null), new Date(NaN), new Map(), /x/,
        new Float32Array([1, 0, 0, 1]), new Float64Array(4), new BigInt64Array(2), new DataView(new ArrayBuffer(8)), new Uint8Array(9),
        { length: 1e9 }, { length: -1 }, [1, 0, 0, 1], [NaN], [null], ["1"], [[1, 0], [0, 1]], new Proxy({}, {}), { toString: null },
        { toJSON() { throw new Error("no"); } }, loop, "text", "[]", batches, globalThis.document,
    ]);

  let network = make();
  const methods = Object.keys(network);
  const globals = Object.keys(globalThis.loomGlobals ?? {});
  // prettier-ignore
  const functions = ["createNetworkFromJSON", "createLoomNetwork", "loadLoomNetwork", "LoadModelFromString", "NewNetwork", "CallLayerInit",
        "ListLayerInitFunctions", "LoadTokenizerFromBytes", "LoadTransformerFromBytes", "EncodeText", "DecodeTokens", "GenerateText",
        "GenerateNextToken", "forward", "train", "evaluate", "saveModel", ...JSON.parse(ListLayerInitFunctions()).map((/** @type {{Name: string}} */ f) => f.Name), ...globals];
  const short = ["forward", "train", "evaluate", "saveModel"];
  const skipped = new Set(["SaveModel"]); // writes files to any path
  const targets = [
    ...methods.filter((name) => !skipped.has(name)),
    ...functions,
    ...short.map((name) => `network.${name}`),
  ];
  // Valid calls in between: invalid ones must leave nothing behind that breaks them.
  const right = [
    ["ForwardCPU", [[1, 0, 0, 1]]],
    ["BackwardCPU", [[0.1, -0.1]]],
    ["UpdateWeights", [0.1]],
    ["GetLayer", [0, 0, 1]],
    ["TotalLayers", []],
    ["Train", [batches, { Epochs: 2, LearningRate: 0.1 }]],
    ["SaveModelToString", ["m"]],
    ["EvaluateNetwork", [[[1, 0, 0, 1]], [0]]],
    ["ListMethods", []],
    ["ResetState", []],
    ["GetBlueprint", []],
    ["ApplyGradientsAdamW", [0.01, 0.9, 0.999, 0.01]],
    ["Activations", []],
  ];
  /** @type {Set<string>} */
  const called = new Set();

  /** @returns {[string, () => unknown]} */
  const draw = () => {
    if (rarely(8)) {
      const [name, args] = pick(right);
      return [name, () => network[name](JSON.stringify(args))];
    }
    const name = random() < 0.6 ? pick(methods.filter((m) => !skipped.has(m))) : pick(targets);
    called.add(name);
    if (methods.includes(name)) {
      const args = rarely(12) ? raw() : json(below(5));
      return [
        `${name}(${String(typeof args === "string" ? args.slice(0, 80) : typeof args)})`,
        () => network[name](args),
      ];
    }
    const method = name.startsWith("network.") ? network[name.slice(8)].bind(network) : Reflect.get(globalThis, name);
    const isInit = name.startsWith("Init") || name === "NewNetwork";
    const count = below(5);
    // A layer of 2³¹ values is legitimate too, but no page has the memory: sizes are small, or impossibly large.
    const size = () =>
      pick([
        0,
        1,
        2,
        3,
        8,
        -1,
        2.5,
        2 ** 40,
        NaN,
        "3",
        null,
        undefined,
        [2, 3],
        [[0, 1], [2]],
        { type: "dense" },
        raw(),
      ]);
    /** @type {any[]} */
    const args = Array.from({ length: count }, () => (isInit ? size() : random() < 0.5 ? raw() : anything()));
    if (name === "CallLayerInit")
      args.splice(
        0,
        2,
        pick(functions),
        tame(
          JSON.stringify(
            [size(), size(), size()]
              .slice(below(4))
              .map((v) => (["object", "number", "bigint"].includes(typeof v) ? 1 : v)),
          ) ?? "x",
        ),
      );
    if (name.endsWith("train") && typeof args[1] === "object" && args[1])
      args[1] = { ...args[1], Epochs: 2, epochs: undefined };
    if (name.startsWith("create") && random() < 0.7) args[0] = json(1).slice(1, -1);
    if (name.startsWith("Generate")) args[1] = pick([1, 2, -1, NaN, 0.5, "2", raw()]);
    return [name, () => method(...args)];
  };
  const kindOf = (/** @type {string} */ name, /** @type {unknown} */ result) => {
    if (Array.isArray(result) && result.length === 2 && result[0] === null && typeof result[1] === "string")
      return "pair";
    if (typeof result === "string" && /^\{"success": ?false/.test(result)) return "unsuccessful";
    if (typeof result === "string" && methods.includes(name.split("(")[0])) return "sentence";
    if (
      typeof result === "string" &&
      /^(create|load|LoadModel|New|Init|CallLayer)/.test(name) &&
      !result.startsWith("{")
    )
      return "sentence";
    return "value";
  };
  /** @type {string[]} */
  const faults = [];
  /** @type {Record<string, number>} */
  const kinds = {};
  const names = [Object.prototype, Array.prototype, Function.prototype, String.prototype].map((p) =>
    Object.getOwnPropertyNames(p).join(),
  );
  // @ts-expect-error: Pyodide's own business
  const heap = () => pyodide._module.HEAPU8.length;
  let count = 0;
  let start = [0, 0];
  let largest = heap();
  /** @type {string[]} */
  const grown = []; // which calls needed more memory than any before
  const began = performance.now();
  for (let i = 0; i < calls; i++) {
    if (i === warmUp) {
      // The largest valid calls: 50 000 samples, whose activations are kept for the backward pass, and these as JSON.
      network.ForwardCPU(JSON.stringify([huge]));
      network.BackwardCPU(JSON.stringify([huge.slice(0, huge.length / 2)]));
      network.Activations();
      start = [heap(), await globalThis.scriptHeap()];
    }
    if (i % 50 === 0) {
      network.dispose();
      network = make();
    }
    const [name, call] = draw();
    let kind;
    let text = "";
    const t = performance.now();
    try {
      /** @type {any} */
      const result = call();
      kind = kindOf(name, result);
      text = kind === "pair" ? result[1] : typeof result === "string" ? result : "";
      if (result && typeof result === "object" && typeof result.dispose === "function" && result !== network)
        result.dispose();
    } catch (error) {
      kind = error instanceof LoomError && !(error instanceof InternalError) ? "thrown" : "fault";
      text = String(error);
    }
    const took = performance.now() - t;
    // A Python exception other than LOOM's carries this sentence or its class's own text.
    if (
      kind === "fault" ||
      (kind !== "value" &&
        /fault in LOOM|stopped working|object has no attribute|NoneType|not subscriptable|unhashable/.test(text))
    ) {
      if (faults.length < 20) faults.push(`${i} ${name}: ${text.slice(0, 300)}`);
    }
    if (took > 20_000) faults.push(`${i} ${name} took ${took.toFixed(0)} ms`);
    const size = heap();
    if (size > largest) grown.push(`${i} ${name}: ${(size / 2 ** 20).toFixed(0)} MiB`);
    largest = Math.max(size, largest);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    count++;
  }
  network.dispose();
  const end = [heap(), await globalThis.scriptHeap()];
  const seconds = (performance.now() - began) / 1000;
  LoadTokenizerFromBytes(bytes("tokenizer.json"));
  if (!JSON.parse(model()).success) faults.push("the model no longer loads");
  const history = train().LossHistory;
  const prototypes = [Object.prototype, Array.prototype, Function.prototype, String.prototype]
    .map((p) => Object.getOwnPropertyNames(p).join())
    .filter((text, i) => text !== names[i]);
  return {
    made: count,
    faults,
    grown,
    kinds,
    prototypes,
    seconds,
    called: [...called].sort(),
    callable: [...new Set(targets)].sort(),
    loss: [history[0], history.at(-1)],
    heap: [start[0], end[0]],
    scriptHeap: [start[1], end[1]],
  };
};
