// The package from Node: the same API without a worker, and the original's globals.

import { InputError, boot, loom } from "loom-browser";
import { initLoom } from "loom-browser/globals";

const demo = JSON.parse(process.env.DEMO ?? "{}");
const session = await loom.start({ worker: false });
const network = await session.createNetwork(demo.network, { seed: 1 });
const batches = demo.batches.map((/** @type {{Input: number[], Target: number[]}} */ b) => ({
  input: Float32Array.from(b.Input),
  target: b.Target,
}));
const result = await network.train(batches, { epochs: 800, learningRate: 0.15, gradientClip: 1 });
const output = await network.forward(batches[0].input);
const text = await network.save("demo");
const again = await session.loadNetwork(text, "demo");
const second = await again.forward(batches[0].input);
let refused = "";
try {
  await network.forward([1, 2, 3]);
} catch (error) {
  refused = error instanceof InputError ? error.text : `wrong class: ${error}`;
}
/** @type {Partial<Awaited<ReturnType<typeof initLoom>>>} */
const target = {};
await initLoom({ target });
const global = target.loadLoomNetwork?.(text, "demo");
if (typeof global !== "object") throw new Error(`no network: ${global}`);
const [plain] = global.ForwardCPU(JSON.stringify([demo.batches[0].Input]));
await network.dispose();
await again.dispose();
session.dispose();
console.log(
  JSON.stringify({
    loss: result.FinalLoss,
    typed: output instanceof Float32Array,
    same: output.every((v, i) => v === second[i]),
    global: JSON.parse(plain).every((/** @type {number} */ v, /** @type {number} */ i) => Math.fround(v) === output[i]),
    refused,
    version: (await boot()).version,
  }),
);
process.exit(0);
