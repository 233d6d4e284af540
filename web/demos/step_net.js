/** The network and the six samples of the stepping pages: dense 4→8, LSTM 8→12, dense 12→3. */

/** @typedef {import("../loom.js").Network} Network */

export const CONFIG = {
  grid_rows: 1,
  grid_cols: 3,
  layers_per_cell: 1,
  layers: [
    { type: "dense", input_size: 4, output_size: 8, activation: "relu" },
    { type: "lstm", hidden_size: 12 },
    { type: "dense", output_size: 3, activation: "linear" },
  ],
};
/** An input reaches the output after as many ticks as there are layers. */
export const DEPTH = CONFIG.layers.length;
export const CLASSES = ["low", "high", "mix"];
export const SAMPLES = [
  { input: [0.1, 0.2, 0.1, 0.3], expected: 0 },
  { input: [0.2, 0.1, 0.3, 0.2], expected: 0 },
  { input: [0.8, 0.9, 0.8, 0.7], expected: 1 },
  { input: [0.9, 0.8, 0.7, 0.9], expected: 1 },
  { input: [0.1, 0.9, 0.1, 0.9], expected: 2 },
  { input: [0.9, 0.1, 0.9, 0.1], expected: 2 },
];
/** As training takes them. */
export const BATCHES = SAMPLES.map(({ input, expected }) => ({
  Input: input,
  Target: CLASSES.map((_, k) => Number(k === expected)),
}));
/** Ticks that one sample stays at the input. */
export const HOLD = 20;

/**
 * The output for every sample, by a step state of its own: the input is held until its output arrives.
 * @param {Network} network
 * @returns {Promise<Float32Array[]>}
 */
export async function outputs(network) {
  const state = await network.createStepState(4);
  try {
    const results = [];
    for (const { input } of SAMPLES) {
      await state.setInput(input);
      for (let tick = 0; tick < 10; tick++) await state.stepForward();
      results.push(await state.getOutput());
    }
    return results;
  } finally {
    await state.dispose();
  }
}

/** @param {Float32Array} output */
export const largest = (output) => output.indexOf(Math.max(...output));
