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
/** @typedef {Training | Product | Language} Work */

/** The prompt of a round. @param {Language} work @param {number} round @returns {Prompt} */
export function promptOf({ context, prompts }, round) {
  const prompt = context ?? prompts[round % prompts.length];
  if (!prompt) throw new Error("the case has no prompts");
  return prompt;
}
