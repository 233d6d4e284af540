// The original's global functions: known once the module that makes them is imported.

import type { LoomStepState } from "loom-browser";
import { initLoom, type LoomNetwork, type Results } from "loom-browser/globals";

export async function original(): Promise<void> {
  await initLoom({ onProgress: ({ status }) => console.log(status) });
  const network = createNetworkFromJSON(JSON.stringify({ layers: [{ type: "dense", input_size: 2, output_size: 1 }] }));
  if (typeof network === "string") throw new Error(network);
  const made: LoomNetwork = network;
  const [output, duration] = made.ForwardCPU(JSON.stringify([[0, 1]]));
  const values: number[] = JSON.parse(output);
  const both = JSON.parse(made.ForwardCPU(JSON.stringify([[0, 1]])));
  const [result, error] = made.Train(JSON.stringify([[{ Input: [0, 1], Target: [1] }], { Epochs: 1 }]));
  const message: string | undefined = error;
  const [model] = made.SaveModelToString(JSON.stringify(["mine"]));
  const state: LoomStepState = made.createStepState(2);
  state.setInput([0, 1]);
  const after: Float32Array = (state.stepForward(), state.getOutput());
  const [text] = state.GetOutput();
  const tween = made.createTweenState(true);
  const loss: number = tween.tweenStep([0, 1], 0, 1, 0.1);
  const tracker = createAdaptationTracker(100, 1000);
  tracker.start("chase", 0);
  const task: number = (tracker.recordOutput(true), tracker.getCurrentTask());
  console.log(after, JSON.parse(text), loss, task, tracker.finalize().total_outputs);
  const loaded = loadLoomNetwork(model, "mine");
  const names: Results<[value: string, error?: string]> = made.ListMethods();
  const again = globalThis.LoadModelFromString(model, "mine");
  console.log(values, duration, both, JSON.parse(result).FinalLoss, message, loaded, JSON.parse(names), again);
}
