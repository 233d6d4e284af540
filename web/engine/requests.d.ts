/** What the page may ask of the engine, in a worker or on its own thread. */

import type { PackedBatch, Samples } from "../api/arguments.js";
import type { Filling, Label, Profile } from "../api/language_model.js";
import type { Metrics, TrainProgress, TrainResult } from "../api/network.js";
import type { CheckedKernel } from "../api/session.js";
import type { Member, Packed, Reference } from "../api/values.js";
import type { DeviceFacts, DeviceOptions } from "../devices/open.js";
import type { ModelReport } from "../storage/inspect.js";
import type { ModelSource } from "../storage/model_files.js";
import type { KeptModel, StorageUsage } from "../storage/storage.js";
import type { Handle, Json } from "./bridge.js";
import type { Capabilities } from "./capabilities.js";
import type { Progress } from "./progress.js";

/** A request with its parameters, its result, and the events in between. */
interface Request<Params, Result, Event = never> {
  params: Params;
  result: Result;
  event: Event;
}
type Nothing = Record<string, never>;
type OfMethod = { handle: Handle; method: string };
/** How far the prompt has been read, in tokens, or the next token. */
export type Finish = { finishReason: string; seed: number };
export type GenerationEvent =
  { status: "prefill"; loaded: number; total: number } | { status: "token"; id: number; text: string };

export interface Requests {
  start: Request<
    DeviceOptions & { baseURL?: string },
    { version: string; capabilities: Capabilities; devices: DeviceFacts[] },
    Progress
  >;
  devices: Request<Nothing, DeviceFacts[]>;
  useDevice: Request<{ device: NonNullable<DeviceOptions["device"]> }, DeviceFacts[]>;
  detect: Request<Nothing, Record<string, any>[]>;
  verifyDevice: Request<{ device: string }, CheckedKernel[], Progress>;

  createNetwork: Request<{ config: string; seed?: number }, Handle>;
  loadNetwork: Request<{ text: string; id: string }, Handle>;
  classes: Request<Nothing, string[]>;
  methods: Request<
    { kind: string },
    {
      method_name: string;
      parameters: { name: string; type: string; optional: boolean }[];
      returns: string[];
      doc: string;
    }[]
  >;
  members: Request<{ kind: string }, Member[]>;
  create: Request<{ kind: string } & Packed, Reference>;
  plain: Request<OfMethod & Packed, unknown>;
  run: Request<OfMethod & Packed, unknown, unknown[]>;
  call: Request<OfMethod & Packed, unknown>;
  watch: Request<{ handle: Handle; interval: number }, void, Float32Array>;
  forward: Request<{ handle: Handle; input: Samples }, Float32Array>;
  evaluate: Request<{ handle: Handle; inputs: Float32Array[]; expected: number[] }, Metrics>;
  train: Request<{ handle: Handle; batches: PackedBatch[]; config: Json }, TrainResult, TrainProgress>;

  loadModel: Request<ModelSource & { activations?: string }, { handle: Handle } & Record<string, unknown>, Progress>;
  inspectModel: Request<ModelSource, ModelReport, Progress>;
  chat: Request<{ handle: Handle; messages: Json; options: Json }, Finish, GenerationEvent>;
  profileModel: Request<
    { handle: Handle; tokens: number; context?: number | undefined; repeats: number },
    Profile,
    Progress
  >;
  chosenExperts: Request<{ handle: Handle; start: number }, number[][][]>;
  embed: Request<
    { handle: Handle; texts: Json; prompt?: string | undefined },
    { vectors: Float32Array; dimension: number },
    Progress
  >;
  fillMask: Request<{ handle: Handle; text: string; topK: number }, Filling[][]>;
  classify: Request<{ handle: Handle; text: string; pair?: string | undefined }, Label[]>;
  complete: Request<{ handle: Handle; prompt: string; options: Json }, Finish, GenerationEvent>;

  storageList: Request<Nothing, KeptModel[]>;
  storageUsage: Request<Nothing, StorageUsage>;
  storageRemove: Request<{ name: string; source?: string }, number>;
  storageClear: Request<Nothing, number>;
  storageReadText: Request<{ name: string }, string>;
  storageKeepText: Request<{ name: string; text: string }, void>;

  release: Request<{ handle: Handle }, void>;
  live: Request<Nothing, number>;
}

export type Method = keyof Requests;
export type Params<M extends Method> = Requests[M]["params"];
export type Result<M extends Method> = Requests[M]["result"];
export type Event<M extends Method> = Requests[M]["event"];

export interface CallOptions<M extends Method> {
  onEvent?: (event: Event<M>) => void;
  signal?: AbortSignal;
}

/** The engine, wherever it runs. The caller releases every `Handle` that it gets. */
export interface EngineLike {
  /** Stands for the Python that it runs: handles of another mean nothing here. */
  readonly owner: object;
  call<M extends Method>(method: M, params?: Params<M>, options?: CallOptions<M>): Promise<Result<M>>;
  dispose(): void;
}
