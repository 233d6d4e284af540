/** jax-js: the same graphs in its NumPy, one jitted update; its functions own (and free) what they are given. */

import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy as np,
  valueAndGrad,
} from "/rivals/@jax-js/jax/dist/index.js";
import { arrays, json, matrices, timed, weigh } from "./contestant.js";

/** @typedef {any} A */

/** @param {A} x @param {A} w @param {A} b */
const dense = (x, w, b) => np.matmul(x, w).add(b);

/** @type {Record<string, (p: A[], x: A) => A>} */
const graphs = {
  grid([w1, b1, wa, ba, wb, bb, wl, bl, wr, br, w3, b3], x) {
    const h = nn.relu(dense(x, w1, b1));
    const sum = nn.relu(dense(h.ref, wa, ba)).add(nn.gelu(dense(h.ref, wb, bb), { approximate: false }));
    const [i, f, g, o] = np.split(np.matmul(h.ref, wl.transpose()).add(bl), 4, 1);
    f.dispose(); // c₀ = h₀ = 0
    const lstm = nn.sigmoid(o).mul(np.tanh(nn.sigmoid(i).mul(np.tanh(g))));
    const rnn = np.tanh(np.matmul(h, wr.transpose()).add(br));
    return nn.sigmoid(dense(np.concatenate([sum, lstm, rnn], 1), w3, b3));
  },
  mlp: ([w1, b1, w2, b2], x) => dense(nn.relu(dense(x, w1, b1)), w2, b2),
};

/** @type {Record<string, (y: A, t: A) => A>} */
const losses = {
  mse: (y, t) => np.mean(np.square(y.sub(t))),
  cross_entropy_logits: (y, t) => np.mean(t.mul(nn.logSoftmax(y, -1))).neg(),
};

/** One update of all parameters. @param {any} work */
function updater({ graph, loss, learningRate, clip }) {
  const value = (/** @type {A[]} */ p, /** @type {A} */ x, /** @type {A} */ t) => losses[loss](graphs[graph](p, x), t);
  return jit((/** @type {A[]} */ p, /** @type {A} */ x, /** @type {A} */ t) => {
    const [before, grads] = valueAndGrad(value)(
      p.map((a) => a.ref),
      x,
      t,
    );
    if (!clip) return [before, p.map((a, i) => a.sub(grads[i].mul(learningRate)))];
    const squares = grads.map((/** @type {A} */ g) => np.sum(np.square(g.ref)));
    const norm = np.sqrt(squares.reduce((/** @type {A} */ a, /** @type {A} */ b) => a.add(b)));
    const scale = np.minimum(np.reciprocal(norm).mul(clip), 1).mul(learningRate);
    const after = p.map((a, i) => a.sub(grads[i].mul(scale.ref)));
    scale.dispose();
    return [before, after];
  });
}

/** @param {{threads: number}} options one thread where the page is not isolated, else all */
export async function open({ threads }) {
  if (crossOriginIsolated !== threads > 1) throw new Error("it takes one thread a core wherever it may share memory");
  await init("wasm");
  defaultDevice("wasm");

  /** @type {any} */
  let data;
  let file = "";
  /** @type {Map<string, any>} */
  const updaters = new Map();

  /** @param {any} work @param {number} epochs */
  async function train(work, epochs) {
    const update = updaters.get(work.name) ?? updater(work);
    updaters.set(work.name, update);
    const tensor = (/** @type {any} */ a) => np.array(a.data).reshape(a.shape);
    let p = data.params.filter((/** @type {any} */ _, /** @type {number} */ i) => !work.idle.includes(i)).map(tensor);
    const batches = data.batches.map((/** @type {any[]} */ pair) => pair.map(tensor));
    /** @type {A[]} */
    let last = [];
    const ms = await timed(async () => {
      for (let epoch = 0; epoch < epochs; epoch++) {
        for (const value of last) value.dispose();
        last = [];
        for (const [x, t] of batches) {
          const [value, after] = update(p, x.ref, t.ref);
          p = after;
          last.push(value);
        }
        await blockUntilReady(p); // its updates wait as a chain until someone looks, which overflows the stack
      }
    });
    let sum = 0;
    for (const value of last) sum += (await value.data())[0];
    for (const a of [...p, ...batches.flat()]) a.dispose();
    return { ms, check: sum / last.length };
  }

  return {
    /** @param {any} work */
    async prepare(work) {
      if (work.kind === "train") {
        if (file !== work.data) {
          const raw = await json(work.data);
          data = { params: arrays(raw.params), batches: raw.batches.map(arrays) };
          file = work.data;
        }
        await train(work, Math.min(work.epochs, 10));
      }
      return {};
    },
    /** @param {any} work */
    async run(work) {
      if (work.kind === "train") {
        const { ms, check } = await train(work, work.epochs);
        return { [work.name]: { ms: ms / work.units, check } };
      }
      const [a, b] = matrices(work.size).map((m) => np.array(m).reshape([work.size, work.size]));
      let c = np.matmul(a.ref, b.ref);
      await blockUntilReady(c);
      const ms = await timed(async () => {
        for (let i = 0; i < work.units; i++) {
          c.dispose();
          c = np.matmul(a.ref, b.ref);
          await blockUntilReady(c);
        }
      });
      const check = weigh(await c.data());
      a.dispose();
      b.dispose();
      return { [work.name]: { ms: ms / work.units, check } };
    },
  };
}
