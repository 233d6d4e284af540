/** Reading buffers of a GPU back, through staging buffers that are reused. */

const READBACK = 0x01 | 0x08; // MAP_READ | COPY_DST
/** Staging buffers are kept for reuse up to this size, and so many of each size. */
const KEPT_BYTES = 1 << 22;
const KEPT_COUNT = 4;

/** A pending read. `promise` always resolves; then `bytes` or `error` is set. */
export class Reading {
  /** @type {Uint8Array | null} */
  bytes = null;
  error = "";
  /** The device was lost before the bytes arrived. */
  lost = false;
  /** @type {Promise<void>} */
  promise = Promise.resolve();
}

/** A part of a buffer. @typedef {{buffer: GPUBuffer, offset: number, nbytes: number}} Part */

/** Buffers that the page can map, of one device. */
export class Staging {
  /** @type {Map<number, GPUBuffer[]>} */
  #free = new Map();
  #closed = false;

  /** @param {GPUDevice} device */
  constructor(device) {
    this.device = device;
  }

  /**
   * Copy parts of buffers one after another, and return their bytes.
   * @param {Part[]} parts
   * @returns {Promise<Uint8Array>}
   */
  async read(parts) {
    const total = parts.reduce((sum, { nbytes }) => sum + nbytes, 0);
    const staging = this.#take(total);
    const encoder = this.device.createCommandEncoder();
    let at = 0;
    for (const { buffer, offset, nbytes } of parts) {
      encoder.copyBufferToBuffer(buffer, offset, staging, at, nbytes);
      at += nbytes;
    }
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(1, 0, total);
    } catch (error) {
      staging.destroy();
      throw error;
    }
    const bytes = new Uint8Array(staging.getMappedRange(0, total)).slice();
    staging.unmap();
    this.#keep(staging);
    return bytes;
  }

  /** Free all staging buffers: the device is lost or closed. */
  close() {
    this.#closed = true;
    this.#free.clear();
  }

  /** @param {number} nbytes */
  #take(nbytes) {
    const size = Math.max(256, 2 ** Math.ceil(Math.log2(nbytes)));
    return this.#free.get(size)?.pop() ?? this.device.createBuffer({ size, usage: READBACK });
  }

  /** @param {GPUBuffer} buffer */
  #keep(buffer) {
    const sameSize = this.#free.get(buffer.size) ?? [];
    if (buffer.size > KEPT_BYTES || sameSize.length >= KEPT_COUNT || this.#closed) buffer.destroy();
    else this.#free.set(buffer.size, [...sameSize, buffer]);
  }
}
