/** Four optimisers, one after another in the worker, each on a fresh copy of the same network. */

import { LineChart } from "./line_chart.js";
import { BATCHES, CONFIG, HOLD, SAMPLES, largest, outputs } from "./step_net.js";
import { deviceText, element, integer, make, startSession } from "./ui_forms.js";
import { checkboxes, onSubmit } from "./work.js";

/** @typedef {{name: string, rate: number, options: Record<string, unknown>}} Optimiser */
/** @typedef {import("./line_chart.js").Curve & {right?: number, speed?: number}} Run */

/** @type {Optimiser[]} */
const OPTIMISERS = [
  { name: "SGD", rate: 0.01, options: { Type: "sgd" } },
  { name: "SGD with momentum", rate: 0.01, options: { Type: "sgd_momentum", Momentum: 0.9 } },
  { name: "AdamW", rate: 0.001, options: { Type: "adamw", Beta1: 0.9, Beta2: 0.999, WeightDecay: 0.01 } },
  { name: "RMSprop", rate: 0.001, options: { Type: "rmsprop", Alpha: 0.99, Epsilon: 1e-8 } },
];

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  chart: element("chart", HTMLElement),
  results: element("results", HTMLTableSectionElement),
};
const chart = new LineChart(view.chart, element("keys", HTMLUListElement), {
  xLabel: "tick",
  yLabel: "loss",
  log: true,
});
const chosenNames = checkboxes(
  element("choices", HTMLElement),
  OPTIMISERS.map(({ name }) => ({ value: name, label: name, checked: true })),
);
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});

show([]);
onSubmit(run);

/** @param {AbortSignal} signal */
async function run(signal) {
  const [ticks, seed] = [integer("ticks"), integer("seed")];
  const selected = OPTIMISERS.filter(({ name }) => chosenNames().includes(name));
  if (!selected.length) throw new RangeError("Choose at least one optimiser.");
  const session = await starting;
  chart.options.xMax = ticks;
  chart.rebuild();
  view.bar.hidden = false;
  view.bar.max = selected.length * ticks;
  /** @type {Run[]} */
  const runs = [];
  try {
    for (const [i, { name, rate, options }] of selected.entries()) {
      view.status.textContent = `${name}…`;
      /** @type {Run} */
      const run = { name, x: [], y: [] };
      runs.push(run);
      const network = await session.createNetwork(CONFIG, { seed });
      try {
        const config = {
          LearningRate: rate,
          Optimizer: options,
          LossType: "mse",
          Hold: HOLD,
          Shuffle: true,
          Seed: seed,
        };
        const result = await network.trainWithStepping(config, BATCHES, ticks, {
          signal,
          onProgress({ step, loss }) {
            run.x.push(step);
            run.y.push(loss);
            view.bar.value = i * ticks + step;
            chart.set(runs);
          },
        });
        run.speed = result.StepsPerSecond;
        run.right = (await outputs(network)).filter((output, k) => largest(output) === SAMPLES[k]?.expected).length;
        show(runs);
      } finally {
        await network.dispose();
      }
    }
    view.status.textContent = `${selected.length} optimisers, ${ticks.toLocaleString("en")} ticks each, seed ${seed}.`;
  } finally {
    if (signal.aborted) view.status.textContent = "Stopped.";
    view.bar.hidden = true;
    show(runs);
    const ends = runs.map(({ name, y }) => `${name} ${y.at(-1)?.toPrecision(3) ?? "nothing"}`);
    view.chart.setAttribute("aria-label", `Loss over the ticks; at the end: ${ends.join(", ")}`);
  }
}

/** @param {Run[]} runs */
function show(runs) {
  const number = (/** @type {number | undefined} */ v) => (v === undefined ? "—" : v.toPrecision(3));
  const rows = OPTIMISERS.map(({ name, rate }) => {
    const run = runs.find((r) => r.name === name);
    const row = document.createElement("tr");
    const right = run?.right === undefined ? "—" : `${run.right} of ${SAMPLES.length}`;
    const speed = run?.speed === undefined ? "—" : Math.round(run.speed).toLocaleString("en");
    const head = make("th", name);
    head.scope = "row";
    row.append(
      head,
      make("td", String(rate)),
      make("td", number(run?.y[0])),
      make("td", number(run?.y.at(-1))),
      make("td", speed),
      make("td", right),
    );
    return row;
  });
  view.results.replaceChildren(...rows);
}
