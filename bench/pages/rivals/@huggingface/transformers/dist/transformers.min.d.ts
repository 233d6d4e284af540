/** What `transformers_js.js` uses of transformers.js. */
interface Vectors {
  data: Float32Array;
  dispose(): void;
}

type Extractor = (texts: string[], options: { pooling: "mean"; normalize: boolean }) => Promise<Vectors>;

export declare const env: {
  allowRemoteModels: boolean;
  allowLocalModels: boolean;
  localModelPath: string;
  useBrowserCache: boolean;
  backends: { onnx: { wasm: { wasmPaths: string; numThreads: number } } };
};

export declare function pipeline(
  task: "feature-extraction",
  model: string,
  options: { dtype: "fp32"; device: "wasm" },
): Promise<Extractor>;
