/** What `tfjs.js` uses of TensorFlow.js, whose scripts put it into `globalThis.tf`. */
export interface Tensor {
  dispose(): void;
  dataSync(): Float32Array;
}

export interface TensorFlow {
  wasm: { setWasmPaths(folder: string): void; setThreadsCount(count: number): void };
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  getBackend(): string;
  ready(): Promise<void>;
  tensor(values: Float32Array, shape: number[]): Tensor;
  variable(value: Tensor, trainable: boolean, name: string): Tensor;
  tidy<T>(work: () => T): T;
  dispose(tensors: (Tensor | Tensor[] | Tensor[][])[]): void;
  variableGrads(f: () => Tensor, variables: Tensor[]): { value: Tensor; grads: Record<string, Tensor> };
  train: { sgd(learningRate: number): { applyGradients(gradients: Record<string, Tensor>): void } };

  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  div(a: number, b: Tensor): Tensor;
  minimum(a: Tensor, b: number): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  addN(xs: Tensor[]): Tensor;
  concat(xs: Tensor[], axis: number): Tensor;
  split(x: Tensor, parts: 4, axis: number): [Tensor, Tensor, Tensor, Tensor];
  relu(x: Tensor): Tensor;
  erf(x: Tensor): Tensor;
  tanh(x: Tensor): Tensor;
  sigmoid(x: Tensor): Tensor;
  logSoftmax(x: Tensor): Tensor;
  mean(x: Tensor): Tensor;
  sum(x: Tensor): Tensor;
  square(x: Tensor): Tensor;
  sqrt(x: Tensor): Tensor;
  neg(x: Tensor): Tensor;
}
