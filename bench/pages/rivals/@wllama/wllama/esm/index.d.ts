/** What `wllama.js` uses of wllama. */
export declare const LoggerWithoutDebug: Record<string, (...args: unknown[]) => void>;

interface Completion {
  choices: [{ text: string }];
  usage: { prompt_tokens: number };
  /** llama.cpp's own clock. */
  timings: { prompt_n: number; prompt_ms: number; predicted_n: number; predicted_ms: number };
}

export declare class Wllama {
  constructor(
    paths: { default: string },
    options: { suppressNativeLog: boolean; logger: Record<string, (...args: unknown[]) => void> },
  );
  loadModel(
    files: Blob[],
    options: { n_ctx: number; n_threads: number; n_gpu_layers: number; n_parallel: number },
  ): Promise<void>;
  getNumThreads(): number;
  createCompletion(options: Record<string, unknown>): Promise<Completion>;
}
