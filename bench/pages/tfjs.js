/** TensorFlow.js: the same graphs written in its operations (its layers throw on recurrent branches of one step). */

import { arrays, json, matrices, timed, weigh } from "./contestant.js";

/** @param {string} src */
const script = (src) =>
  new Promise((resolve, reject) => {
    const tag = Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject });
    document.head.append(tag);
  });

/** @param {{backend: "cpu" | "wasm", threads: number}} options */
export async function open({ backend, threads }) {
  const folder = "/rivals/@tensorflow";
  await script(`${folder}/tfjs/dist/tf.min.js`);
  await script(`${folder}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js`);
  const tf = /** @type {any} */ (globalThis).tf;
  tf.wasm.setWasmPaths(`${folder}/tfjs-backend-wasm/dist/`);
  tf.wasm.setThreadsCount(threads); // 4.22 says it has one whatever is asked for; the clock tells
  tf.enableProdMode();
  if (!(await tf.setBackend(backend)) || tf.getBackend() !== backend) throw new Error(`no backend ${backend}`);
  await tf.ready();

  const dense = (/** @type {any} */ x, /** @type {any} */ w, /** @type {any} */ b) => tf.add(tf.matMul(x, w), b);

  /** @type {Record<string, {forward: (p: any[], x: any) => any, loss: (y: any, t: any) => any}>} */
  const graphs = {
    grid(/** @type {any[]} */ [w1, b1, wa, ba, wb, bb, wl, , bl, wr, , br, w3, b3], /** @type {any} */ x) {
      const h = tf.relu(dense(x, w1, b1));
      const z = dense(h, wb, bb);
      const gelu = tf.mul(tf.mul(z, 0.5), tf.add(tf.erf(tf.mul(z, Math.SQRT1_2)), 1));
      const sum = tf.add(tf.relu(dense(h, wa, ba)), gelu);
      const [i, , g, o] = tf.split(tf.add(tf.matMul(h, wl, false, true), bl), 4, 1);
      const lstm = tf.mul(tf.sigmoid(o), tf.tanh(tf.mul(tf.sigmoid(i), tf.tanh(g)))); // c₀ = h₀ = 0
      const rnn = tf.tanh(tf.add(tf.matMul(h, wr, false, true), br));
      return tf.sigmoid(dense(tf.concat([sum, lstm, rnn], 1), w3, b3));
    },
    mlp: (/** @type {any[]} */ [w1, b1, w2, b2], /** @type {any} */ x) => dense(tf.relu(dense(x, w1, b1)), w2, b2),
  };
  const losses = {
    mse: (/** @type {any} */ y, /** @type {any} */ t) => tf.mean(tf.square(tf.sub(y, t))),
    cross_entropy_logits: (/** @type {any} */ y, /** @type {any} */ t) => tf.neg(tf.mean(tf.mul(t, tf.logSoftmax(y)))),
  };

  /** @type {any} */
  let data;
  let file = "";

  /** @param {any} work @param {number} epochs */
  async function train(work, epochs) {
    const { graph, loss, learningRate, clip } = work;
    const vars = data.params.map((/** @type {any} */ p, /** @type {number} */ i) =>
      tf.variable(tf.tensor(p.data, p.shape), true, `p${i}`),
    );
    const batches = data.batches.map(([x, t]) => [tf.tensor(x.data, x.shape), tf.tensor(t.data, t.shape)]);
    const optimiser = tf.train.sgd(learningRate);
    const used = vars.filter((/** @type {any} */ _, /** @type {number} */ i) => !work.idle.includes(i));
    const step = (/** @type {any} */ x, /** @type {any} */ t) =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => losses[loss](graphs[graph](vars, x), t), used);
        if (clip) {
          const norm = tf.sqrt(tf.addN(Object.values(grads).map((g) => tf.sum(tf.square(g)))));
          const scale = tf.minimum(tf.div(clip, norm), 1);
          for (const name of Object.keys(grads)) grads[name] = tf.mul(grads[name], scale);
        }
        optimiser.applyGradients(grads);
        return value;
      });
    /** @type {any[]} */
    let last = [];
    const ms = await timed(() => {
      for (let epoch = 0; epoch < epochs; epoch++) {
        tf.dispose(last);
        last = batches.map(([x, t]) => step(x, t));
      }
      vars.at(-1).dataSync();
    });
    const check = last.reduce((sum, value) => sum + value.dataSync()[0], 0) / last.length;
    tf.dispose([vars, batches, last]);
    return { ms, check };
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
      const [a, b] = matrices(work.size).map((m) => tf.tensor(m, [work.size, work.size]));
      let c = tf.matMul(a, b);
      c.dataSync();
      const ms = await timed(() => {
        for (let i = 0; i < work.units; i++) {
          c.dispose();
          c = tf.matMul(a, b);
        }
        c.dataSync();
      });
      const check = weigh(c.dataSync());
      tf.dispose([a, b, c]);
      return { [work.name]: { ms: ms / work.units, check } };
    },
  };
}
