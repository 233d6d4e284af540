/** TensorFlow.js: the same graphs written in its operations (its layers throw on recurrent branches of one step). */

import { arrayLibrary, timed } from "./contestant.js";

/** @typedef {import("./rivals/tfjs.js").Tensor} Tensor */
/** @typedef {import("./rivals/tfjs.js").TensorFlow} TensorFlow */
/** @typedef {import("./work.js").Training} Training */

/** @param {string} src */
const script = (src) =>
  new Promise((resolve, reject) => {
    const tag = Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject });
    document.head.append(tag);
  });

/** @param {TensorFlow} tf */
function operations(tf) {
  /** @param {Tensor} x @param {Tensor} w @param {Tensor} b */
  const dense = (x, w, b) => tf.add(tf.matMul(x, w), b);
  /** @type {Record<Training["graph"], (parameters: Tensor[], x: Tensor) => Tensor>} */
  const graphs = {
    grid(parameters, x) {
      /** @typedef {Tensor} T */
      const [w1, b1, wa, ba, wb, bb, wl, , bl, wr, , br, w3, b3] =
        /** @type {[T, T, T, T, T, T, T, T, T, T, T, T, T, T]} */ (parameters);
      const h = tf.relu(dense(x, w1, b1));
      const z = dense(h, wb, bb);
      const gelu = tf.mul(tf.mul(z, 0.5), tf.add(tf.erf(tf.mul(z, Math.SQRT1_2)), 1));
      const sum = tf.add(tf.relu(dense(h, wa, ba)), gelu);
      const [i, , g, o] = tf.split(tf.add(tf.matMul(h, wl, false, true), bl), 4, 1);
      const lstm = tf.mul(tf.sigmoid(o), tf.tanh(tf.mul(tf.sigmoid(i), tf.tanh(g)))); // c₀ = h₀ = 0
      const rnn = tf.tanh(tf.add(tf.matMul(h, wr, false, true), br));
      return tf.sigmoid(dense(tf.concat([sum, lstm, rnn], 1), w3, b3));
    },
    mlp(parameters, x) {
      const [w1, b1, w2, b2] = /** @type {[Tensor, Tensor, Tensor, Tensor]} */ (parameters);
      return dense(tf.relu(dense(x, w1, b1)), w2, b2);
    },
  };
  /** @type {Record<Training["loss"], (y: Tensor, t: Tensor) => Tensor>} */
  const losses = {
    mse: (y, t) => tf.mean(tf.square(tf.sub(y, t))),
    cross_entropy_logits: (y, t) => tf.neg(tf.mean(tf.mul(t, tf.logSoftmax(y)))),
  };
  return { graphs, losses };
}

/** @param {{backend: "cpu" | "wasm", threads: number}} options */
export async function open({ backend, threads }) {
  const folder = "/rivals/@tensorflow";
  await script(`${folder}/tfjs/dist/tf.min.js`);
  await script(`${folder}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js`);
  /** @type {TensorFlow} */
  const tf = Reflect.get(globalThis, "tf");
  tf.wasm.setWasmPaths(`${folder}/tfjs-backend-wasm/dist/`);
  tf.wasm.setThreadsCount(threads); // 4.22 reports one thread whatever is requested; only the time shows the number
  tf.enableProdMode();
  if (!(await tf.setBackend(backend)) || tf.getBackend() !== backend) throw new Error(`no backend ${backend}`);
  await tf.ready();
  const { graphs, losses } = operations(tf);

  return arrayLibrary(
    async ({ graph, loss, learningRate, clip, idle }, data, epochs) => {
      const variables = data.params.map((p, i) => tf.variable(tf.tensor(p.data, p.shape), true, `p${i}`));
      const batches = data.batches.map(([x, t]) => ({ x: tf.tensor(x.data, x.shape), t: tf.tensor(t.data, t.shape) }));
      const optimiser = tf.train.sgd(learningRate);
      const used = variables.filter((_, i) => !idle.includes(i));
      /** @param {{x: Tensor, t: Tensor}} batch */
      const step = ({ x, t }) =>
        tf.tidy(() => {
          const { value, grads } = tf.variableGrads(() => losses[loss](graphs[graph](variables, x), t), used);
          if (clip) {
            const norm = tf.sqrt(tf.addN(Object.values(grads).map((g) => tf.sum(tf.square(g)))));
            const scale = tf.minimum(tf.div(clip, norm), 1);
            for (const [name, gradient] of Object.entries(grads)) grads[name] = tf.mul(gradient, scale);
          }
          optimiser.applyGradients(grads);
          return value;
        });
      /** @type {Tensor[]} */
      let last = [];
      const ms = await timed(() => {
        for (let epoch = 0; epoch < epochs; epoch++) {
          tf.dispose(last);
          last = batches.map(step);
        }
        variables.at(-1)?.dataSync();
      });
      const check = last.reduce((sum, value) => sum + (value.dataSync()[0] ?? NaN), 0) / last.length;
      tf.dispose([variables, batches.flatMap(({ x, t }) => [x, t]), last]);
      return { ms, check };
    },
    async ({ size, units }, pair) => {
      const [a, b] = [tf.tensor(pair[0], [size, size]), tf.tensor(pair[1], [size, size])];
      let c = tf.matMul(a, b);
      c.dataSync();
      const ms = await timed(() => {
        for (let i = 0; i < units; i++) {
          c.dispose();
          c = tf.matMul(a, b);
        }
        c.dataSync();
      });
      const product = c.dataSync();
      tf.dispose([a, b, c]);
      return { ms, product };
    },
  );
}
