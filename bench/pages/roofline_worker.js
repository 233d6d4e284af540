/** One thread of `roofline.js`: loads a build, then repeats a kernel for a while and tells its rate per second. */

const BYTES = 96 << 20; // larger than any cache

/** @type {any} */
let kernels;
let bytes = BYTES;

/** @type {Record<string, [string, () => number]>} kernel → what it counts, and how to do it once */
const WORK = {
  read: ["bytes", () => (kernels.read(bytes), bytes)],
  madd: ["operations", () => kernels.madd(200_000)],
  dot: ["operations", () => kernels.dot(200_000)],
};

globalThis.onmessage = async ({ data: { url, share, kernel, milliseconds } }) => {
  if (url) {
    const { instance } = await WebAssembly.instantiateStreaming(fetch(url));
    kernels = instance.exports;
    bytes = Math.floor(BYTES / share / 4096) * 4096;
    const missing = kernels.start() + bytes - kernels.memory.buffer.byteLength;
    if (missing > 0) kernels.memory.grow(Math.ceil(missing / 65536));
    new Uint8Array(kernels.memory.buffer, kernels.start(), bytes).fill(1);
    postMessage(0);
    return;
  }
  const work = WORK[kernel][1];
  work();
  // The best of five stretches: what the machine can do, not what others left of it.
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
