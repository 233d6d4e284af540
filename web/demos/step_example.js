/** Stepping: a network learns tick by tick in the worker, watched, and a step state runs its six samples. */

import { LineChart } from "./line_chart.js";
import { LivePanel } from "./live_panel.js";
import { BATCHES, CLASSES, CONFIG, DEPTH, HOLD, SAMPLES, largest, outputs } from "./step_net.js";
import { deviceText, duration, element, integer, make, startSession } from "./ui_forms.js";
import { onSubmit } from "./work.js";

/** @typedef {import("../loom.js").Network} Network */
/** @typedef {import("../loom.js").SteppingProgress} Progress */

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  chart: element("chart", HTMLElement),
  tick: element("tick", HTMLElement),
  loss: element("loss", HTMLElement),
  accuracy: element("accuracy", HTMLElement),
  rate: element("rate", HTMLElement),
  speed: element("speed", HTMLElement),
  samples: element("samples", HTMLTableSectionElement),
  score: element("score", HTMLElement),
};
const chart = new LineChart(view.chart, element("keys", HTMLUListElement), {
  xLabel: "tick",
  yLabel: "loss",
  log: true,
});
const live = new LivePanel();
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});
/** @type {Network | null} */
let network = null;

show([]);
starting
  .then((session) => session.createNetwork(CONFIG, { seed: 0 }))
  .then((untrained) => (network ? untrained.dispose() : use(untrained)))
  .catch(() => {}); // shown by startSession
onSubmit(train);

/** @param {Network} untrained */
async function use(untrained) {
  const before = network;
  network = untrained;
  await live.attach(untrained);
  await before?.dispose();
}

/** @param {AbortSignal} signal */
async function train(signal) {
  const [ticks, seed] = [integer("ticks"), integer("seed")];
  const session = await starting;
  const trained = await session.createNetwork(CONFIG, { seed });
  await use(trained);
  show([]);
  const config = {
    LearningRate: 0.045,
    Scheduler: { Type: "linear", FinalLearningRate: 0.003 },
    LossType: "cross_entropy_logits",
    GradientClip: 1,
    Delay: DEPTH,
    Hold: HOLD,
    Shuffle: true,
    Seed: seed,
  };
  const curve = { name: "loss", x: /** @type {number[]} */ ([]), y: /** @type {number[]} */ ([]) };
  chart.options.xMax = ticks;
  chart.rebuild();
  view.bar.hidden = false;
  view.bar.max = ticks;
  view.bar.value = 0;
  view.status.textContent = `Training, seed ${seed}`;
  const started = performance.now();
  let done = 0;
  const onProgress = (/** @type {Progress} */ { step, loss, learning_rate: rate, accuracy }) => {
    curve.x.push(step);
    curve.y.push(loss);
    chart.set([curve]);
    done = step;
    view.bar.value = step;
    view.tick.textContent = step.toLocaleString("en");
    view.loss.textContent = loss.toPrecision(3);
    view.accuracy.textContent = `${Math.round((accuracy ?? 0) * 100)} %`;
    view.rate.textContent = rate.toFixed(4);
    view.speed.textContent = Math.round((1000 * step) / (performance.now() - started)).toLocaleString("en");
  };
  try {
    await trained.trainWithStepping(config, BATCHES, ticks, { signal, onProgress });
    view.status.textContent = `Trained with seed ${seed} in ${duration(performance.now() - started)}.`;
  } finally {
    if (signal.aborted)
      view.status.textContent = `Stopped after tick ${done.toLocaleString("en")}; the network keeps what it learned.`;
    view.bar.hidden = true;
    view.chart.setAttribute(
      "aria-label",
      `Loss over ${done} ticks, from ${curve.y[0]?.toPrecision(3)} to ${curve.y.at(-1)?.toPrecision(3)}`,
    );
    show(await outputs(trained));
  }
}

/** @param {Float32Array[]} results per sample; none before training */
function show(results) {
  let right = 0;
  const rows = SAMPLES.map(({ input, expected }, i) => {
    const output = results[i];
    const row = document.createElement("tr");
    const got = output ? largest(output) : -1;
    right += Number(got === expected);
    const mark = make("td", output ? (got === expected ? "✓" : "✗") : "", got === expected ? "right" : "wrong");
    if (output) mark.setAttribute("aria-label", got === expected ? "right" : "wrong");
    const text = output ? Array.from(output, (v) => v.toFixed(2)).join(", ") : "—";
    row.append(
      make("td", input.join(", ")),
      make("td", text),
      make("td", CLASSES[got] ?? "—"),
      make("td", CLASSES[expected]),
      mark,
    );
    return row;
  });
  view.samples.replaceChildren(...rows);
  view.score.textContent = results.length ? `${right} of ${SAMPLES.length}` : "";
}
