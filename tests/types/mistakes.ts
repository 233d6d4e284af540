// What the types must refuse. Each line below a marker is wrong in one way; a marker without an error fails the test.

import { loom, Network, Session, type TrainingBatch } from "loom-browser";
import "loom-browser/globals";

export async function wrong(session: Session, network: Network): Promise<void> {
  // @ts-expect-error: no such option
  await loom.start({ workers: true });
  // @ts-expect-error: not an abort signal
  await loom.start({ signal: new AbortController() });
  // @ts-expect-error: a session is started, not made
  new Session();
  // @ts-expect-error: a network is created by a session
  new Network();
  // @ts-expect-error: a configuration is an object or text
  await session.createNetwork(5);
  // @ts-expect-error: the seed is a number
  await session.createNetwork({}, { seed: "1" });
  // @ts-expect-error: a saved network has a name
  await session.loadNetwork("{}");
  // @ts-expect-error: numbers
  await network.forward(["0", "1"]);
  // @ts-expect-error: the target is missing
  await network.train([{ input: [0, 1] }], { epochs: 1 });
  // @ts-expect-error: no such option
  await network.train([], { epoch: 1 });
  // @ts-expect-error: epochs are counted
  await network.train([], { epochs: "many" });
  // @ts-expect-error: outputs are a typed array
  const plain: number[] = await network.forward([0, 1]);
  // @ts-expect-error: no such method
  await network.call("ForwardGPUx", [0, 1]);
  // @ts-expect-error: a parameter is missing
  await network.call("ForwardCPU");
  // @ts-expect-error: one too many
  await network.call("TotalLayers", 1);
  // @ts-expect-error: the rate is a number
  await network.call("UpdateWeights", "0.1");
  // @ts-expect-error: the result is a number
  const count: string = await network.call("TotalLayers");
  // @ts-expect-error: the original's keys are capitalised
  const batch: TrainingBatch = { input: [0, 1], target: [1] };
  // @ts-expect-error: inside Python only
  network.handle;
  // @ts-expect-error: may be a message
  createNetworkFromJSON("{}").ForwardCPU("[]");
  const made = createNetworkFromJSON("{}");
  if (typeof made === "string") return;
  // @ts-expect-error: parameters are one JSON text
  made.ForwardCPU([[0, 1]]);
  // @ts-expect-error: results are texts
  const [seconds]: [number] = made.TotalLayers();
  // @ts-expect-error: plain values, not JSON
  made.forwardCPU("[[0, 1]]");
  // @ts-expect-error: no such class
  await session.create("StepStates", network);
  // @ts-expect-error: a tracker has a length
  await session.create("AdaptationTracker", 100);
  // @ts-expect-error: a promise comes back
  const output: Float32Array = (await network.createStepState(2)).getOutput();
  // @ts-expect-error: numbers
  (await network.createStepState(2)).setInput("1");
  // @ts-expect-error: no such option
  await network.createStepState(2, { recurrent: "never" });
  console.log(plain, count, batch, seconds, output);
}
