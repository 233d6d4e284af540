/** Every layer: load a bundle, compare with numbers computed elsewhere, train, save and reload. */

import { FormatError } from "../loom.js";
import { deviceText, element, make, showError, size, sizes, startSession } from "./ui_forms.js";

/** @typedef {import("../loom.js").Network} Network */
/** @typedef {{bundle: string, inputs: number[][], outputs: number[][], source: string}} Material */
/** @typedef {{name: string, values: number[]}} LayerWeights */

const TOLERANCE = 1e-5;
const EPOCHS = 10;

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  error: element("error", HTMLElement),
  run: element("run", HTMLButtonElement),
  checks: element("checks", HTMLOListElement),
  drop: element("drop", HTMLElement),
  files: element("files", HTMLInputElement),
  chosen: element("chosen", HTMLElement),
  outputs: element("outputs", HTMLTableSectionElement),
  layers: element("layers", HTMLTableSectionElement),
};
const STEPS = [
  ["load", "Load the bundle", "All layers with their weights, from one JSON text"],
  ["forward", "Run every sample", "And compare with the expected outputs"],
  ["train", `Train for ${EPOCHS} epochs`, "Towards other targets, so that something moves"],
  ["weights", "Compare the weights", "Every layer that has some must have changed"],
  ["reload", "Save and reload", "The outputs must not differ at all"],
];
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});
/** @type {Material | null} */
let own = null;
let turns = Promise.resolve();

showSteps();
view.run.onclick = () => guarded(run);
view.files.onchange = () => {
  const files = [...(view.files.files ?? [])];
  view.files.value = ""; // the same files, changed, can be chosen again
  return guarded(() => choose(files));
};
view.drop.ondragover = (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  view.drop.classList.add("over");
};
view.drop.ondragleave = () => view.drop.classList.remove("over");
view.drop.ondrop = (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  view.drop.classList.remove("over");
  const files = [...(event.dataTransfer?.files ?? [])]; // the items do not outlive this event
  return guarded(() => choose(files));
};

/**
 * One after the other: files that arrive while the test runs are next.
 * @param {() => Promise<void>} action
 */
function guarded(action) {
  view.run.disabled = true;
  turns = turns.then(() => attempt(action));
  return turns;
}

/** @param {() => Promise<void>} action */
async function attempt(action) {
  view.run.disabled = true;
  showError(view.error);
  try {
    await action();
  } catch (error) {
    showError(view.error, error);
  } finally {
    view.run.disabled = false;
  }
}

/** @param {File[]} files */
async function choose(files) {
  const bundle = files.find((file) => file.name.endsWith(".json"));
  if (!bundle) throw new Error("There is no bundle among these files. Choose a .json file that LOOM saved.");
  const text = async (/** @type {RegExp} */ name) =>
    rows((await files.find((file) => name.test(file.name))?.text()) ?? "");
  own = {
    bundle: await bundle.text(),
    inputs: await text(/input.*\.txt$/i),
    outputs: await text(/output.*\.txt$/i),
    source: bundle.name,
  };
  view.chosen.textContent = `The test runs on ${bundle.name}${own.inputs.length ? `, ${own.inputs.length} samples` : ", on made-up inputs"}.`;
  await run();
}

/** @returns {Promise<Material>} */
async function siteMaterial() {
  const text = async (/** @type {string} */ name) => {
    const response = await fetch(`demos/all_layers/${name}`);
    if (!response.ok) throw new Error(`demos/all_layers/${name} could not be fetched (status ${response.status}).`);
    return response.text();
  };
  const [bundle, inputs, outputs] = await Promise.all([text("test.json"), text("inputs.txt"), text("outputs.txt")]);
  return { bundle, inputs: rows(inputs), outputs: rows(outputs), source: "test.json" };
}

/**
 * A sample a line; numbers separated by anything.
 * @param {string} text
 */
function rows(text) {
  return text
    .split("\n")
    .map((line) => (line.match(/[-+\d.eE]+/g) ?? []).map(Number))
    .filter((row) => row.length);
}

async function run() {
  showSteps();
  view.outputs.replaceChildren();
  view.layers.replaceChildren();
  const session = await starting;
  const { bundle, inputs: given, outputs: expected } = own ?? (await siteMaterial());
  const id = modelId(bundle);
  element("model", HTMLElement).textContent = id;
  element("bundle", HTMLElement).textContent = size(new Blob([bundle]).size);
  const network = await step("load", async () => {
    const loaded = await session.loadNetwork(bundle, id);
    const [layers, total] = [await loaded.call("TotalLayers"), await loaded.call("GetTotalParameters")];
    element("count", HTMLElement).textContent = String(layers);
    element("parameters", HTMLElement).textContent = total.toLocaleString("en");
    return [loaded, `${layers} layers, ${total.toLocaleString("en")} numbers`];
  });
  try {
    const inputs = given.length ? given : await madeUp(network);
    const before = await step("forward", async () => {
      const results = await outputsOf(network, inputs);
      if (!expected.length) return [results, `${inputs.length} samples; there is nothing to compare them with`];
      const largest = Math.max(...results.map((row, i) => difference(row, expected[i] ?? [])));
      showOutputs(results, expected);
      if (!(largest <= TOLERANCE)) throw new Error(`the outputs differ by up to ${largest.toExponential(1)}`);
      return [results, `${inputs.length} samples, largest difference ${largest.toExponential(1)}`];
    });
    if (!expected.length) showOutputs(before, []);
    const old = await weightsOf(network, id);
    await step("train", async () => {
      const batches = inputs.map((input, i) => ({ input, target: opposite(before[i] ?? new Float32Array()) }));
      const { LossHistory: losses, FinalLoss: loss } = await network.train(batches, {
        epochs: EPOCHS,
        learningRate: 0.01,
        lossType: "mse",
      });
      return [null, `loss ${losses[0]?.toFixed(6)} → ${loss.toFixed(6)}`];
    });
    await step("weights", async () => {
      const changed = showLayers(old, await weightsOf(network, id));
      const [moved, all] = [changed.filter((share) => share > 0).length, changed.length];
      if (moved < all) throw new Error(`${all - moved} of ${all} layers with weights did not change`);
      return [null, `all ${all} layers with weights changed`];
    });
    await step("reload", async () => {
      const after = await outputsOf(network, inputs);
      const again = await session.loadNetwork(await network.save(id), id);
      try {
        const reloaded = await outputsOf(again, inputs);
        const largest = Math.max(...after.map((row, i) => difference(row, reloaded[i] ?? new Float32Array())));
        if (largest !== 0) throw new Error(`the outputs differ by up to ${largest}`);
        return [null, "largest difference 0"];
      } finally {
        await again.dispose();
      }
    });
  } finally {
    await network.dispose();
  }
}

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<[T, string]>} work
 * @returns {Promise<T>}
 */
async function step(name, work) {
  const [, mark, , detail] = /** @type {HTMLElement[]} */ ([
    null,
    ...element(`step-${name}`, HTMLElement).querySelectorAll("*:not(div)"),
  ]);
  if (!mark || !detail) throw new Error(`the page has no step ${name}`);
  mark.textContent = "…";
  try {
    const [value, text] = await work();
    mark.textContent = "✓";
    mark.className = "mark right";
    mark.setAttribute("aria-label", "passed");
    detail.textContent = text;
    return value;
  } catch (error) {
    mark.textContent = "✗";
    mark.className = "mark wrong";
    mark.setAttribute("aria-label", "failed");
    detail.textContent = error instanceof Error ? error.message : String(error);
    throw error;
  }
}

function showSteps() {
  view.checks.replaceChildren(
    ...STEPS.map(([name = "", title = "", note = ""]) => {
      const item = make("li");
      item.id = `step-${name}`;
      const words = make("div");
      words.append(make("strong", title), make("span", note));
      item.append(make("b", "·", "mark"), words);
      return item;
    }),
  );
}

/**
 * Each sample from a fresh state: recurrent layers and noise start again.
 * @param {Network} network
 * @param {number[][]} inputs
 */
async function outputsOf(network, inputs) {
  const results = [];
  for (const input of inputs) {
    await network.call("ResetState");
    results.push(await network.forward(input));
  }
  return results;
}

/** @param {Network} network */
async function madeUp(network) {
  const count = sizes(await network.call("GetBlueprint"))[0];
  if (!count) throw new Error("The bundle does not say how many values its network takes. Add an inputs.txt.");
  return Array.from({ length: 4 }, () => Array.from({ length: count }, Math.random));
}

/** @param {Float32Array} output */
function opposite(output) {
  const lowest = output.indexOf(Math.min(...output));
  return Array.from(output, (_, i) => Number(i === lowest));
}

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
function difference(a, b) {
  if (a.length !== b.length) return Infinity;
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] ?? NaN))));
}

/**
 * @param {Float32Array[]} results
 * @param {number[][]} expected
 */
function showOutputs(results, expected) {
  const text = (/** @type {ArrayLike<number>} */ values) =>
    Array.from(values)
      .slice(0, 4)
      .map((v) => v.toFixed(5))
      .join(", ") + (values.length > 4 ? ", …" : "");
  view.outputs.replaceChildren(
    ...results.map((row, i) => {
      const target = expected[i];
      const gap = target ? difference(row, target) : NaN;
      const line = make("tr");
      const mark = target ? (gap <= TOLERANCE ? "right" : "wrong") : "";
      line.append(
        make("td", String(i + 1)),
        make("td", text(row)),
        make("td", target ? text(target) : "—"),
        make("td", target ? gap.toExponential(1) : "—", mark),
      );
      return line;
    }),
  );
}

/**
 * @param {LayerWeights[]} old
 * @param {LayerWeights[]} now
 * @returns {number[]} share of changed numbers, of each layer that has some
 */
function showLayers(old, now) {
  const shares = now.map(
    ({ values }, i) => values.filter((value, k) => value !== old[i]?.values[k]).length / values.length,
  );
  view.layers.replaceChildren(
    ...now.map(({ name, values }, i) => {
      const share = shares[i] ?? NaN;
      const line = make("tr");
      const text = values.length ? `${(100 * share).toFixed(share === 1 ? 0 : 1)} %` : "no weights";
      line.append(
        make("td", name),
        make("td", values.length ? values.length.toLocaleString("en") : "—"),
        make("td", text, values.length ? (share > 0 ? "right" : "wrong") : ""),
      );
      return line;
    }),
  );
  return shares.filter((share) => !Number.isNaN(share));
}

/**
 * @param {Network} network
 * @param {string} id
 * @returns {Promise<LayerWeights[]>}
 */
async function weightsOf(network, id) {
  const { cfg, weights } = /** @type {{cfg: {layers: {type: string}[]}, weights: {data: string}}} */ (
    await network.call("SerializeModel", id)
  );
  const { layers } = JSON.parse(atob(weights.data));
  return cfg.layers.map(({ type }, i) => ({ name: `${i}  ${type.replaceAll("_", " ")}`, values: leaves(layers[i]) }));
}

/**
 * All numbers in a value.
 * @param {unknown} value
 * @returns {number[]}
 */
function leaves(value) {
  if (typeof value === "number") return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(leaves) : [];
}

/**
 * Name of the first model in a bundle.
 * @param {string} bundle
 * @returns {string}
 */
function modelId(bundle) {
  try {
    return String(JSON.parse(bundle).models[0].id);
  } catch (cause) {
    throw new FormatError("this is no LOOM bundle", { remedy: "Choose a .json file that LOOM saved.", cause });
  }
}
