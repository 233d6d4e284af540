/**
 * The cases, as `bench/cases.py` writes them.
 *
 * A network that is trained:
 *
 * @typedef {object} Training
 * @property {"train"} kind
 * @property {string} name of the row that it fills
 * @property {"grid" | "mlp"} graph
 * @property {string} data address of parameters and batches
 * @property {object} network LOOM's configuration of it
 * @property {number} seed
 * @property {number} epochs
 * @property {number} learningRate
 * @property {"mse" | "cross_entropy_logits"} loss
 * @property {number} clip largest norm of the gradients; 0 for no limit
 * @property {number} units to divide the time by
 * @property {number[]} idle places of parameters that this network never changes
 */
/**
 * Products of two square matrices.
 *
 * @typedef {object} Product
 * @property {"product"} kind
 * @property {string} name
 * @property {number} size
 * @property {number} units how many products
 */
/** @typedef {{ids: number[], text: string}} Prompt text that gives these ids */
/**
 * A language model.
 *
 * @typedef {object} Language
 * @property {"language"} kind
 * @property {{prefill?: string, decode?: string}} names of the rows that it fills
 * @property {Prompt[]} prompts a different beginning for each round, so that nothing can be reused
 * @property {Prompt} [context] stays in the cache from round to round
 * @property {number} decode tokens to generate after the first one, which the prompt gives
 */
/**
 * Sentences to embed.
 *
 * @typedef {object} Embedding
 * @property {"embedding"} kind
 * @property {string} name of the row that it fills
 * @property {string[]} texts
 * @property {string} vectors address of the float32 vectors that they must get, one after another
 */
/** @typedef {Training | Product | Language | Embedding} Work */

/** How far vectors may be from those that NumPy gives, relative to their length. */
const TOLERANCE = 1e-4;

/**
 * Time an embedder, and check what it gives.
 * @param {Embedding} work
 * @param {(texts: string[]) => Promise<Float32Array>} embed one vector behind another
 * @returns {Promise<{ms: number}>} of one text
 */
export async function timeEmbedding({ texts, vectors: address }, embed) {
  const expected = new Float32Array(await (await fetch(address)).arrayBuffer());
  const start = performance.now();
  const vectors = await embed(texts);
  const ms = (performance.now() - start) / texts.length;
  if (vectors.length !== expected.length) throw new Error(`${vectors.length} numbers instead of ${expected.length}`);
  const size = expected.length / texts.length;
  for (let text = 0; text < texts.length; text++) {
    let [error, length] = [0, 0];
    for (let i = text * size; i < (text + 1) * size; i++) {
      const value = expected[i] ?? NaN;
      error += ((vectors[i] ?? NaN) - value) ** 2;
      length += value ** 2;
    }
    const relative = Math.sqrt(error / length);
    if (!(relative <= TOLERANCE)) throw new Error(`the vector of text ${text} is ${relative.toExponential(1)} off`);
  }
  return { ms };
}

/** The prompt of a round. @param {Language} work @param {number} round @returns {Prompt} */
export function promptOf({ context, prompts }, round) {
  const prompt = context ?? prompts[round % prompts.length];
  if (!prompt) throw new Error("the case has no prompts");
  return prompt;
}
