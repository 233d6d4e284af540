/**
 * Well-known small models on the Hugging Face hub, of families that load here, smallest first.
 *
 * `address` is what the field for the hub takes, `bytes` what is fetched, rounded; `license` as the repository names it.
 * @typedef {{address: string, title: string, bytes: number, license: string, chat: boolean}} HubModel
 */

/** @type {readonly HubModel[]} */
export const HUB_MODELS = Object.freeze([
  {
    address: "HuggingFaceTB/SmolLM2-135M-Instruct",
    title: "SmolLM2 135M Instruct",
    bytes: 271e6,
    license: "Apache-2.0",
    chat: true,
  },
  { address: "EleutherAI/pythia-160m", title: "Pythia 160M", bytes: 375e6, license: "Apache-2.0", chat: false },
  { address: "openai-community/gpt2", title: "GPT-2 (124M)", bytes: 550e6, license: "MIT", chat: false },
  {
    address: "Qwen/Qwen3-0.6B-GGUF:Q8_0",
    title: "Qwen3 0.6B (8 bit)",
    bytes: 639e6,
    license: "Apache-2.0",
    chat: true,
  },
  {
    address: "Qwen/Qwen2.5-0.5B-Instruct-GGUF:q8_0",
    title: "Qwen2.5 0.5B Instruct (8 bit)",
    bytes: 676e6,
    license: "Apache-2.0",
    chat: true,
  },
  { address: "LiquidAI/LFM2-350M", title: "LFM2 350M", bytes: 713e6, license: "LFM Open License v1.0", chat: true },
  {
    address: "HuggingFaceTB/SmolLM2-360M-Instruct",
    title: "SmolLM2 360M Instruct",
    bytes: 726e6,
    license: "Apache-2.0",
    chat: true,
  },
  {
    address: "Qwen/Qwen2.5-0.5B-Instruct",
    title: "Qwen2.5 0.5B Instruct",
    bytes: 1.0e9,
    license: "Apache-2.0",
    chat: true,
  },
  {
    address: "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:q4_k_m",
    title: "SmolLM2 1.7B Instruct (4 bit)",
    bytes: 1.06e9,
    license: "Apache-2.0",
    chat: true,
  },
  { address: "Qwen/Qwen3-0.6B", title: "Qwen3 0.6B", bytes: 1.5e9, license: "Apache-2.0", chat: true },
  {
    address: "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    title: "TinyLlama 1.1B Chat",
    bytes: 2.2e9,
    license: "Apache-2.0",
    chat: true,
  },
  { address: "microsoft/phi-1_5", title: "Phi-1.5 (1.4B)", bytes: 2.84e9, license: "MIT", chat: false },
  {
    address: "allenai/OLMo-2-0425-1B-Instruct",
    title: "OLMo 2 1B Instruct",
    bytes: 2.97e9,
    license: "Apache-2.0",
    chat: true,
  },
]);
