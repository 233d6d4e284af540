/** One thread of `roofline.js`: loads a build, then repeats a kernel for a while and answers with its rate per second. */

const BYTES = 96 << 20; // larger than any cache

/** @typedef {{memory: WebAssembly.Memory, start(): number, read(bytes: number): void, madd(count: number): number, dot(count: number): number}} Kernels */
/** @type {Kernels} */
let kernels;
let bytes = BYTES;

/** Run each kernel once; the result counts bytes or operations. @satisfies {Record<string, () => number>} */
const WORK = {
  read: () => (kernels.read(bytes), bytes),
  madd: () => kernels.madd(200_000),
  dot: () => kernels.dot(200_000),
};

/** @param {MessageEvent<{url?: string, share: number, kernel: keyof typeof WORK, milliseconds: number}>} message */
globalThis.onmessage = async ({ data: { url, share, kernel, milliseconds } }) => {
  if (url) {
    const { instance } = await WebAssembly.instantiateStreaming(fetch(url));
    kernels = /** @type {Kernels} */ (/** @type {unknown} */ (instance.exports));
    bytes = Math.floor(BYTES / share / 4096) * 4096;
    const missing = kernels.start() + bytes - kernels.memory.buffer.byteLength;
    if (missing > 0) kernels.memory.grow(Math.ceil(missing / 65536));
    new Uint8Array(kernels.memory.buffer, kernels.start(), bytes).fill(1);
    postMessage(0);
    return;
  }
  const work = WORK[kernel];
  work();
  // The best of five runs, to exclude other load on the machine.
  let best = 0;
  for (let stretch = 0; stretch < 5; stretch++) {
    const start = performance.now();
    let done = 0;
    let now = start;
    while (now - start < milliseconds / 5) {
      done += work();
      now = performance.now();
    }
    best = Math.max(best, (done * 1000) / (now - start));
  }
  postMessage(best);
};
