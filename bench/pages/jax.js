/** jax-js: the same graphs in its NumPy, one jitted update; its functions own (and free) their arguments. */

import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy as np,
  valueAndGrad,
} from "/rivals/@jax-js/jax/dist/index.js";
import { arrayLibrary, timed } from "./contestant.js";

/** @typedef {import("/rivals/@jax-js/jax/dist/index.js").Array} A */
/** @typedef {import("./work.js").Training} Training */
/** @typedef {(parameters: A[], x: A, target: A) => [loss: A, parameters: A[]]} Update */

/** @param {A} x @param {A} w @param {A} b */
const dense = (x, w, b) => np.matmul(x, w).add(b);

/** @type {Record<Training["graph"], (parameters: A[], x: A) => A>} */
const GRAPHS = {
  grid(parameters, x) {
    const [w1, b1, wa, ba, wb, bb, wl, bl, wr, br, w3, b3] = /** @type {[A, A, A, A, A, A, A, A, A, A, A, A]} */ (
      parameters
    );
    const h = nn.relu(dense(x, w1, b1));
    const sum = nn.relu(dense(h.ref, wa, ba)).add(nn.gelu(dense(h.ref, wb, bb), { approximate: false }));
    const [i, f, g, o] = np.split(np.matmul(h.ref, wl.transpose()).add(bl), 4, 1);
    f.dispose(); // c₀ = h₀ = 0
    const lstm = nn.sigmoid(o).mul(np.tanh(nn.sigmoid(i).mul(np.tanh(g))));
    const rnn = np.tanh(np.matmul(h, wr.transpose()).add(br));
    return nn.sigmoid(dense(np.concatenate([sum, lstm, rnn], 1), w3, b3));
  },
  mlp(parameters, x) {
    const [w1, b1, w2, b2] = /** @type {[A, A, A, A]} */ (parameters);
    return dense(nn.relu(dense(x, w1, b1)), w2, b2);
  },
};

/** @type {Record<Training["loss"], (y: A, t: A) => A>} */
const LOSSES = {
  mse: (y, t) => np.mean(np.square(y.sub(t))),
  cross_entropy_logits: (y, t) => np.mean(t.mul(nn.logSoftmax(y, -1))).neg(),
};

/** One update of all parameters. @param {Training} work @returns {Update} */
function updater({ graph, loss, learningRate, clip }) {
  /** @param {A[]} p @param {A} x @param {A} t */
  const value = (p, x, t) => LOSSES[loss](GRAPHS[graph](p, x), t);
  /** @type {Update} */
  const update = (p, x, t) => {
    const references = p.map((a) => a.ref);
    const [before, gradients] = valueAndGrad(value)(references, x, t);
    /** @param {A | number} scale */
    const stepped = (scale) => {
      const factor = () => (typeof scale === "number" ? scale : scale.ref);
      return p.map((a, i) => a.sub(/** @type {A} */ (gradients[i]).mul(factor())));
    };
    if (!clip) return [before, stepped(learningRate)];
    const squares = gradients.map((g) => np.sum(np.square(g.ref)));
    const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
    const scale = np.minimum(np.reciprocal(norm).mul(clip), 1).mul(learningRate);
    const after = stepped(scale);
    scale.dispose();
    return [before, after];
  };
  return jit(update);
}

/** @param {{threads: number}} options one thread where the page is not isolated, else all */
export async function open({ threads }) {
  if (crossOriginIsolated !== threads > 1) throw new Error("it takes one thread per core wherever it may share memory");
  await init("wasm");
  defaultDevice("wasm");
  /** @type {Map<string, Update>} */
  const updaters = new Map();

  return arrayLibrary(
    async (work, data, epochs) => {
      const update = updaters.get(work.name) ?? updater(work);
      updaters.set(work.name, update);
      /** @param {import("./contestant.js").Flat} flat */
      const array = ({ data, shape }) => np.array(data).reshape(shape);
      let parameters = data.params.filter((_, i) => !work.idle.includes(i)).map(array);
      const batches = data.batches.map(([x, t]) => ({ x: array(x), t: array(t) }));
      /** @type {A[]} */
      let last = [];
      const ms = await timed(async () => {
        for (let epoch = 0; epoch < epochs; epoch++) {
          for (const value of last) value.dispose();
          last = [];
          for (const { x, t } of batches) {
            const [value, after] = update(parameters, x.ref, t.ref);
            parameters = after;
            last.push(value);
          }
          await blockUntilReady(parameters); // updates stay a lazy chain until a value is read, which overflows the stack
        }
      });
      let sum = 0;
      for (const value of last) sum += (await value.data())[0] ?? NaN;
      for (const a of [...parameters, ...batches.flatMap(({ x, t }) => [x, t])]) a.dispose();
      return { ms, check: sum / last.length };
    },
    async ({ size, units }, pair) => {
      const square = (/** @type {Float32Array} */ m) => np.array(m).reshape([size, size]);
      const [a, b] = [square(pair[0]), square(pair[1])];
      let c = np.matmul(a.ref, b.ref);
      await blockUntilReady(c);
      const ms = await timed(async () => {
        for (let i = 0; i < units; i++) {
          c.dispose();
          c = np.matmul(a.ref, b.ref);
          await blockUntilReady(c);
        }
      });
      const product = await c.data();
      a.dispose();
      b.dispose();
      return { ms, product };
    },
  );
}
