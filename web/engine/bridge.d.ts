/**
 * What Python offers to JavaScript: the functions of `loom_py.bridge.api`, as Pyodide calls them. Objects are named by
 * integer handles, structured values are JSON text; `tests/types/test_bridge.py` compares this with Python.
 */

import type { NumberArray, PackedBatch, Samples } from "../api/arguments.js";
import type { SimdHost } from "../devices/simd_host.js";
import type { WebGPUHost } from "../devices/webgpu_host.js";
import type { HeadReader, Reader } from "../storage/readers.js";

/** Names an object in Python until it is released. */
export type Handle = number;
/** A handle of work that `task_advance` does in steps. */
export type Task = number;
/** JSON text. */
export type Json = string;
/** Numbers that stand beside JSON text: it refers to them by their place in this list. */
export type Arrays = NumberArray[];

export interface Bridge {
  version(): string;
  last_error(): Json;

  add_simd(host: SimdHost, digits?: "bytes" | "words"): void;
  add_webgpu(host: WebGPUHost): void;
  missing_device(name: string, reason: string): void;
  use_device(name: string): void;
  describe_devices(): Json;
  detect_all_json(): Json;
  verify_start(name: string): Task;

  create_network(config: Json, seed?: number): Handle;
  load_network(text: string, model_id: string): Handle;
  new_network(sizes: Json): Handle;
  layer_init_functions(): Json;
  layer_init(name: string, arguments_: Json): Json;
  forward(handle: Handle, values: Samples): Float32Array;
  evaluate(handle: Handle, inputs: Float32Array[], expected: number[]): Json;
  train_start(handle: Handle, batches: PackedBatch[], config: Json): Task;

  classes(): Json;
  methods(name: string): Json;
  members(name: string): Json;
  create(name: string, arguments_: Json, arrays?: Arrays): Json;
  call(handle: Handle, method: string, arguments_: Json): Json;
  call_values(handle: Handle, method: string, arguments_: Json, arrays?: Arrays): Json;
  call_plain(handle: Handle, method: string, arguments_: Json, arrays?: Arrays): Json | Float32Array;
  call_start(handle: Handle, method: string, arguments_: Json, arrays?: Arrays): Task;
  task_start(handle: Handle, method: string, arguments_: Json, arrays?: Arrays): Task;

  task_advance(handle: Task, budget_ms: number): Json;
  task_promise(handle: Task): Promise<unknown>;
  task_close(handle: Task): void;
  watch_start(handle: Handle): Handle;
  watch_next(handle: Handle): Float32Array | undefined;
  watch_end(handle: Handle): void;
  release(handle: Handle): void;
  live(): number;

  hub_address(text: string): Json;
  choose_model_files(request: Json): Json;
  examine_model(files: Reader[], heads: HeadReader[]): Json;
  inspect_model(files: Reader[], heads: HeadReader[], name: string, machine: number): Json;
  load_start(readers: Reader[], activations?: string): Task;
  chat_start(handle: Handle, messages: Json[], options: Json): Task;
  complete_start(handle: Handle, prompt: string[], options: Json): Task;
  chosen_experts(handle: Handle, start: number): Json;
  embed_start(handle: Handle, texts: Json[], prompt?: string): Task;
  embedded(handle: Handle): Float32Array;
  fill_mask_start(handle: Handle, text: string, count: number): Task;
  classify_start(handle: Handle, text: string, pair?: string): Task;
  profile_start(handle: Handle, tokens: number, context: number | undefined, repeats: number): Task;

  load_tokenizer(file: Reader): Json;
  load_transformer(config: Reader, weights: Reader): Json;
  load_transformer_start(config: Reader, weights: Reader): Task;
  encode_text(text: string, add_special_tokens: boolean): Json;
  decode_tokens(ids: Json, skip_special_tokens: boolean): string;
  generate_text(prompt: string, max_tokens: number, temperature: number): Json;
  generate_start(prompt: string, max_tokens: number, temperature: number): Task;
  generate_next_token(ids: Json, temperature: number): Json;
}
