/** What `jax.js` uses of jax-js: a function owns, and frees, the arrays that it is given; `ref` is one more reference. */
export interface Array {
  readonly ref: Array;
  add(other: Array): Array;
  sub(other: Array): Array;
  mul(other: Array | number): Array;
  neg(): Array;
  transpose(): Array;
  reshape(shape: number[]): Array;
  dispose(): void;
  data(): Promise<Float32Array>;
}

export declare function init(backend: string): Promise<void>;
export declare function defaultDevice(backend: string): void;
export declare function blockUntilReady(arrays: Array | Array[]): Promise<void>;
export declare function jit<F extends (...args: never[]) => unknown>(f: F): F;
export declare function valueAndGrad<Rest extends Array[]>(
  f: (parameters: Array[], ...rest: Rest) => Array,
): (parameters: Array[], ...rest: Rest) => [value: Array, gradients: Array[]];

export declare namespace nn {
  function relu(x: Array): Array;
  function gelu(x: Array, options: { approximate: boolean }): Array;
  function sigmoid(x: Array): Array;
  function logSoftmax(x: Array, axis: number): Array;
}

export declare namespace numpy {
  function array(values: Float32Array): Array;
  function matmul(a: Array, b: Array): Array;
  function split(x: Array, parts: 4, axis: number): [Array, Array, Array, Array];
  function concatenate(xs: Array[], axis: number): Array;
  function tanh(x: Array): Array;
  function mean(x: Array): Array;
  function sum(x: Array): Array;
  function square(x: Array): Array;
  function sqrt(x: Array): Array;
  function reciprocal(x: Array): Array;
  function minimum(a: Array, b: number): Array;
}
