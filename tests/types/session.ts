// The promise API, as a project with strict settings uses it.

import {
  loom,
  ConfigError,
  LoomError,
  isAbort,
  type Network,
  type NetworkMethods,
  type TrainingResult,
  type AdaptationResult,
  type Session,
  type StepState,
} from "loom-browser";

export async function trained(signal: AbortSignal): Promise<Float32Array> {
  using session = await loom.start({
    onProgress: ({ status, loaded = 0, total = 1 }) => console.log(status, loaded / total),
    signal,
  });
  const network: Network = await session.createNetwork(
    { layers: [{ type: "dense", input_size: 2, output_size: 1 }] },
    { seed: 1 },
  );
  const batches = [{ input: new Float32Array([0, 1]), target: [1] }];
  const result = await network.train(
    batches,
    { epochs: 10, learningRate: 0.1, gradientClip: 1, optimizer: { Type: "adamw" } },
    { signal },
  );
  const losses: number[] = result.LossHistory;
  const deviation: number | undefined = result.EvalMetrics?.avg_deviation;
  console.log(losses.at(-1), deviation, result.StoppedEarly);
  const metrics = await network.evaluate([[0, 1]], [1]);
  const count: number | undefined = metrics.buckets["0-10%"]?.count;
  console.log(count, metrics.results[0]?.bucket);
  const text: string = await network.save("mine");
  await (await session.loadNetwork(text, "mine")).dispose();
  return network.forward([0, 1]);
}

export async function reflected(network: Network): Promise<void> {
  const layers: number = await network.call("TotalLayers");
  const [output, nanoseconds] = await network.call("ForwardCPU", [0, 1]);
  const values: number[] = output;
  const time: number = nanoseconds;
  const rows: number[][] = await network.call("Forward", [
    [0, 1],
    [1, 0],
  ]);
  const result: TrainingResult = await network.call("Train", [{ Input: [0, 1], Target: [1] }], {
    Epochs: 2,
    LearningRate: 0.1,
  });
  const gradients: (number[] | null)[] = await network.call("KernelGradients");
  const names: (keyof NetworkMethods)[] = ["ForwardCPU", "HasMethod"];
  await network.call("InitializeWeights");
  await network.call("InitializeWeights", 7);
  console.log(layers, values, time, rows, result.FinalLoss, gradients, names);
}

export async function stepped(session: Session, network: Network, signal: AbortSignal): Promise<void> {
  const state: StepState = await network.createStepState(2, { recurrent: "carry" });
  await state.setInput(new Float32Array([0, 1]));
  const milliseconds: number = await state.stepForward();
  const output: Float32Array = await state.getOutput();
  const result = await network.trainWithStepping({ LearningRate: 0.1 }, [{ Input: [0, 1], Target: [1] }], 100, {
    signal,
    onProgress: ({ step, accuracy }) => console.log(step, accuracy?.toFixed(2)),
  });
  const losses: number[] = result.LossHistory;
  const tween = await network.createTweenState(true);
  const loss: number = await tween.tweenStep([0, 1], 0, 1, 0.1);
  const tracker = await session.createAdaptationTracker(100, 1000);
  await tracker.start("chase", 0);
  const before: number = await tracker.recordOutput(true);
  const found: AdaptationResult = await tracker.finalize();
  const comparison = await session.create("AdaptationComparison");
  await comparison.addResult(found);
  await network.addObserver(await session.create("RecordingObserver", "mine"));
  await network.call("StepForward", state);
  await network.watch((activity) => console.log(activity[0]), { signal });
  console.log(milliseconds, output, losses, loss, before, await comparison.summary("all"));
}

export async function talked(signal: AbortSignal): Promise<string> {
  const session = await loom.start({ worker: false });
  const model = await session.loadModel("HuggingFaceTB/SmolLM2-135M-Instruct", { signal });
  let text = "";
  try {
    for await (const piece of model.chat([{ role: "user", content: "Hello" }], {
      maxTokens: 20,
      temperature: 0,
      signal,
    })) {
      if (piece.done) console.log(piece.finishReason, piece.stats.tokensPerSecond);
      else text += piece.text;
    }
  } catch (error) {
    if (error instanceof ConfigError || error instanceof LoomError) console.log(error.where, error.remedy, error.text);
    if (!isAbort(error)) throw error;
  }
  return text;
}
