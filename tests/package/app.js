// A project's own script: trains in the worker, and says on the page what came out.

import { loom } from "loom-browser";

async function main() {
  const demo = await (await fetch("grid_scatter.json")).json();
  /** @type {string[]} */
  const steps = [];
  const session = await loom.start({ onProgress: ({ status }) => steps.push(status) });
  const network = await session.createNetwork(demo.network, { seed: 1 });
  const batches = demo.batches.map((/** @type {{Input: number[], Target: number[]}} */ b) => ({
    input: b.Input,
    target: b.Target,
  }));
  const { FinalLoss } = await network.train(batches, { epochs: 800, learningRate: 0.15, gradientClip: 1 });
  const output = await network.forward(batches[0].input);
  const layers = await network.call("TotalLayers");
  await network.dispose();
  const left = await session.liveObjects();
  session.dispose();
  const after = await session.liveObjects().catch((error) => error.name);
  return { FinalLoss, output: Array.from(output), layers, left, after, ready: steps.includes("ready") };
}

main().then(
  (result) => (document.body.textContent = JSON.stringify(result)),
  (error) => (document.body.textContent = JSON.stringify({ error: String(error) })),
);
