/** Adaptation: networks chase, flee and chase again, one run after another in the worker, with the world and the windows drawn. */

import { LineChart } from "./line_chart.js";
import { deviceText, element, integer, make, startSession } from "./ui_forms.js";
import { checkboxes, onSubmit } from "./work.js";

/** @typedef {{family: string, depth: number, mode: string}} Choice */
/** @typedef {{tick: number, task: number, agent: [number, number], target: [number, number], accuracy: number, windows: number[]}} Picture */
/** @typedef {{accuracy: number, windows: number[], changes: {before: number, after: number, recovery: number}[], ticks_per_second: number, diverged: boolean}} Outcome */
/** @typedef {{name: string, choice: Choice, windows: number[], outcome?: Outcome}} Run */

const FAMILIES = ["Dense", "Conv2D", "RNN", "LSTM", "Attn"];
const DEPTHS = ["3", "5", "9"];
const MODES = [
  ["NormalBP", "backpropagation, in batches"],
  ["StepBP", "stepped backpropagation"],
  ["Tween", "tweening, legacy rule"],
  ["TweenChain", "tweening, chain rule"],
  ["StepTweenChain", "stepped, tweening"],
  ["TickBP", "backpropagation, every decision"],
];
const TASKS = ["chase", "flee"];
/** Ticks of one window. */
const WINDOW = 500;

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  game: element("game", HTMLCanvasElement),
  now: element("now", HTMLElement),
  task: element("task", HTMLElement),
  accuracy: element("accuracy", HTMLElement),
  chart: element("chart", HTMLElement),
  show: element("show", HTMLSelectElement),
  results: element("results", HTMLTableSectionElement),
  insight: element("insight", HTMLElement),
};
const explained = view.insight.textContent;
const chart = new LineChart(view.chart, element("keys", HTMLUListElement), {
  xLabel: "window",
  yLabel: "right, %",
  yRange: [0, 100],
});
const box = (/** @type {string} */ value, /** @type {boolean} */ checked, label = value) => ({ value, label, checked });
const families = checkboxes(
  element("kinds", HTMLElement),
  FAMILIES.map((name, i) => box(name, i === 0)),
);
const depths = checkboxes(
  element("depths", HTMLElement),
  DEPTHS.map((name, i) => box(name, i === 0, `${name} layers`)),
);
const modes = checkboxes(
  element("modes", HTMLElement),
  MODES.map(([name = "", about]) => box(name, name !== "Tween", `${name}: ${about}`)),
);
const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});
/** @type {Run[]} */
let runs = [];
/** @type {Picture | null} */
let picture = null;
let frame = 0;

onSubmit(run);
view.show.onchange = showCurves;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
showResults();

/** @param {AbortSignal} signal */
async function run(signal) {
  const [ticks, seed] = [integer("ticks"), integer("seed")];
  const choices = families().flatMap((family) =>
    depths().flatMap((depth) => modes().map((mode) => ({ family, depth: Number(depth), mode }))),
  );
  if (!choices.length) throw new RangeError("Choose at least one architecture, one depth and one way of learning.");
  const session = await starting;
  runs = [];
  const windows = Math.max(1, Math.floor(ticks / WINDOW));
  chart.options.xMax = Math.max(windows, 2);
  chart.options.marks = [windows / 3 + 0.5, (2 * windows) / 3 + 0.5];
  chart.rebuild();
  view.bar.hidden = false;
  view.bar.max = choices.length * ticks;
  view.bar.value = 0;
  try {
    for (const [i, choice] of choices.entries()) {
      const name = `${choice.family}-${choice.depth}L ${choice.mode}`;
      /** @type {Run} */
      const current = { name, choice, windows: [] };
      runs.push(current);
      view.status.textContent = `${name}: run ${i + 1} of ${choices.length}`;
      view.now.textContent = name;
      const chase = await session.create("ChaseRun", choice.family, choice.depth, choice.mode, ticks, seed);
      try {
        const onProgress = (/** @type {unknown} */ event) => show(/** @type {Picture} */ (event), current, i * ticks);
        current.outcome = /** @type {Outcome} */ (/** @type {unknown} */ (await chase.play({ signal, onProgress })));
        current.windows = current.outcome.windows;
      } finally {
        await chase.dispose();
      }
      showResults();
      showCurves();
    }
    view.status.textContent = `${runs.length} runs of ${ticks.toLocaleString("en")} decisions, seed ${seed}.`;
  } finally {
    if (signal.aborted) {
      runs = runs.filter((r) => r.outcome);
      view.status.textContent = `Stopped after ${runs.length} whole runs.`;
    }
    view.bar.hidden = true;
    showResults();
    showCurves();
  }
}

/**
 * @param {Picture} latest
 * @param {Run} run
 * @param {number} before ticks of earlier runs
 */
function show(latest, run, before) {
  picture = latest;
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (!picture) return;
    draw();
    view.bar.value = before + picture.tick;
    view.task.textContent = TASKS[picture.task] ?? "";
    view.accuracy.textContent = `${Math.round(picture.accuracy)} %`;
    if (picture.windows.length !== run.windows.length && !run.outcome) {
      run.windows = picture.windows;
      showCurves();
    }
  });
}

/** The world: the agent in its colour, the target in the other. */
function draw() {
  const context = view.game.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(document.documentElement);
  const { width, height } = view.game;
  context.clearRect(0, 0, width, height);
  if (!picture) return;
  const { agent, target, task } = picture;
  const dot = (/** @type {[number, number]} */ [x, y], /** @type {string} */ colour, /** @type {number} */ size) => {
    context.fillStyle = style.getPropertyValue(colour).trim();
    context.beginPath();
    context.arc(x * width, (1 - y) * height, size, 0, 2 * Math.PI);
    context.fill();
  };
  context.strokeStyle = style.getPropertyValue("--line").trim();
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(agent[0] * width, (1 - agent[1]) * height);
  context.lineTo(target[0] * width, (1 - target[1]) * height);
  context.stroke();
  dot(target, task === 0 ? "--thread" : "--bad", 13);
  dot(agent, "--accent", 17);
  const place = (/** @type {[number, number]} */ p) => p.map((v) => v.toFixed(1)).join(", ");
  view.game.setAttribute(
    "aria-label",
    `The world: the agent at ${place(agent)}, the other dot at ${place(target)}; it should ${TASKS[task]}`,
  );
}

function showCurves() {
  const shown = runs.filter(
    ({ choice, windows }) =>
      windows.length &&
      (!view.show.value || view.show.value === choice.mode || view.show.value === `${choice.family}-${choice.depth}L`),
  );
  chart.set(shown.map(({ name, windows }) => ({ name, x: windows.map((_, i) => i + 1), y: windows })));
  const ends = shown.map(({ name, windows }) => `${name} ${Math.round(mean(windows))} %`);
  view.chart.setAttribute(
    "aria-label",
    `Right decisions by window, on average: ${ends.join(", ") || "nothing ran yet"}`,
  );
}

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / Math.max(values.length, 1);

/** The original's three figures. @param {Outcome} outcome */
function scores({ windows, ticks_per_second: speed }) {
  const centre = mean(windows);
  const stability = Math.max(0, 100 - Math.sqrt(mean(windows.map((w) => (w - centre) ** 2))));
  const consistency = 100 * mean(windows.map((w) => Number(w >= 50)));
  return { speed, stability, consistency, score: (speed * stability * consistency) / 10_000 };
}

function showResults() {
  const finished = runs.flatMap(({ name, outcome }) => (outcome ? [{ name, outcome, ...scores(outcome) }] : []));
  const rows = finished.map(({ name, outcome, speed, stability, consistency, score }) => {
    const row = document.createElement("tr");
    const head = make("th", name);
    head.scope = "row";
    const after = outcome.changes.map((c) => `${Math.round(c.after)} %`).join(", ");
    const recovery = outcome.changes.map((c) => (c.recovery < 0 ? "never" : c.recovery)).join(", ");
    const cells = [
      `${outcome.accuracy.toFixed(1)} %`,
      after,
      recovery,
      Math.round(speed).toLocaleString("en"),
      stability.toFixed(1),
      `${Math.round(consistency)} %`,
      Math.round(score).toLocaleString("en"),
    ];
    row.append(head, ...cells.map((text) => make("td", text)));
    return row;
  });
  if (!rows.length) {
    const row = document.createElement("tr");
    const cell = make("td", "Nothing ran yet.", "note");
    cell.colSpan = 8;
    row.append(cell);
    rows.push(row);
  }
  view.results.replaceChildren(...rows);
  const kept = view.show.value;
  const groups = [...new Set(runs.flatMap(({ choice }) => [choice.mode, `${choice.family}-${choice.depth}L`]))];
  view.show.replaceChildren(
    ...["", ...groups].map((value) => Object.assign(make("option", value || "all runs"), { value })),
  );
  view.show.value = groups.includes(kept) ? kept : "";
  view.insight.textContent = `${insight(finished)}${explained}`;
}

/** @param {{name: string, outcome: Outcome, speed: number}[]} finished */
function insight(finished) {
  const [first] = finished;
  if (!first || finished.length < 2) return "";
  const best = finished.reduce((a, b) => (b.outcome.accuracy > a.outcome.accuracy ? b : a), first);
  const fastest = finished.reduce((a, b) => (b.speed > a.speed ? b : a), first);
  const after = (/** @type {{outcome: Outcome}} */ { outcome }) => mean(outcome.changes.map((c) => c.after));
  const steady = finished.reduce((a, b) => (after(b) > after(a) ? b : a), first);
  return `Right most often: ${best.name}. Right most often just after a change: ${steady.name}. Most decisions per second: ${fastest.name}. One seed says little; the assessment (python -m loom_py.assess) runs many. `;
}
