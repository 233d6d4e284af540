/** @typedef {{ids: number[], text: string}} Prompt text that gives these ids */
/**
 * A language model case, as `bench/cases.py` writes it.
 *
 * @typedef {object} Language
 * @property {"language"} kind
 * @property {{prefill?: string, decode?: string}} names of the rows that it fills
 * @property {Prompt[]} prompts a different beginning for each round, so that nothing can be reused
 * @property {Prompt} [context] stays in the cache from round to round
 * @property {number} decode tokens to make after the first one, which the prompt gives
 */
export {};
