// The original's global functions: known once the module that makes them is imported.

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
  const loaded = loadLoomNetwork(model, "mine");
  const names: Results<[value: string, error?: string]> = made.ListMethods();
  const again = globalThis.LoadModelFromString(model, "mine");
  console.log(values, duration, both, JSON.parse(result).FinalLoss, message, loaded, JSON.parse(names), again);
}
