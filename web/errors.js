/**
 * Typed errors. They carry the same parts as Python's (what was wrong, `where`, `remedy`), all of them in `message`, and
 * survive the worker boundary: `toPlain` on one side, `fromPlain` on the other.
 */

/** @typedef {{name: string, message: string, where?: string, remedy?: string, traceback?: string}} PlainError */

/** Base of everything that this library raises on purpose. */
export class LoomError extends Error {
  /**
   * @param {string} message what was wrong, in one sentence without a full stop
   * @param {{where?: string, remedy?: string, traceback?: string, cause?: unknown}} [parts]
   */
  constructor(message, parts = {}) {
    super(sentence(message, parts), "cause" in parts ? { cause: parts.cause } : undefined);
    this.name = new.target.name;
    /** What was wrong, without place and remedy. */
    this.problem = message;
    /** The place: a file with a byte offset, a JSON path, a URL. */
    this.where = parts.where ?? "";
    /** What the user can do about it. */
    this.remedy = parts.remedy ?? "";
    /** Python's traceback, for debugging. */
    this.traceback = parts.traceback ?? "";
  }

  /** The same as `message`: place, problem and remedy as one readable line. */
  get text() {
    return this.message;
  }
}

/** @param {string} problem @param {{where?: string, remedy?: string}} parts */
function sentence(problem, { where, remedy }) {
  const placed = where ? `${where}: ${problem}` : problem;
  return remedy ? `${placed}. ${remedy}` : placed;
}

/** A value handed to a function has the wrong type, shape or range. */
export class InputError extends LoomError {}
/** A network configuration is wrong; `where` is the JSON path. */
export class ConfigError extends LoomError {}
/** A file is malformed; `where` is the file and the offset or JSON path. */
export class FormatError extends LoomError {}
/** A tokenizer definition is malformed or uses something unknown. */
export class TokenizerError extends FormatError {}
/** A chat template is malformed, unsafe, or refused its messages. */
export class TemplateError extends LoomError {}
/** A checkpoint is readable but does not describe a model that can run here. */
export class ModelError extends LoomError {}
/** A device is missing, has no memory left, or cannot run a program. */
export class DeviceError extends LoomError {}
/** A device was lost with everything in its memory. */
export class DeviceLost extends DeviceError {}
/** The work was stopped; everything done so far is whole and kept. */
export class Cancelled extends LoomError {}
/** The page's memory is full. */
export class MemoryError extends LoomError {}
/** A file could not be fetched. */
export class DownloadError extends LoomError {}
/** A file was fetched but its SHA-256 is not the published one. */
export class IntegrityError extends LoomError {}
/** The browser's storage has no room, or refused. */
export class StorageError extends LoomError {}
/** Python could not be started, or stopped working. */
export class RuntimeFailure extends LoomError {}
/** A fault in this library. */
export class InternalError extends LoomError {}

/** @type {Record<string, typeof LoomError>} */
const CLASSES = {
  LoomError,
  InputError,
  ConfigError,
  FormatError,
  TokenizerError,
  TemplateError,
  ModelError,
  DeviceError,
  DeviceLost,
  Cancelled,
  MemoryError,
  DownloadError,
  IntegrityError,
  StorageError,
  RuntimeFailure,
  InternalError,
};
// A minifier gives classes short names, and the page's and the worker's may differ.
for (const [name, Class] of Object.entries(CLASSES)) Object.defineProperty(Class, "name", { value: name });

/**
 * The parts of any error, fit for `postMessage`.
 * @param {unknown} error
 * @returns {PlainError}
 */
export function toPlain(error) {
  if (error instanceof LoomError) {
    const { name, problem, where, remedy, traceback } = error;
    return { name, message: problem, where, remedy, traceback };
  }
  if (error instanceof Error) return { name: error.name, message: error.message, traceback: error.stack ?? "" };
  return { name: "InternalError", message: String(error) };
}

/**
 * An error of the class that `plain.name` says; `AbortError` becomes a DOMException, an unknown name gives an `InternalError`.
 * @param {PlainError} plain
 * @returns {Error}
 */
export function fromPlain(plain) {
  if (plain.name === "AbortError") return new DOMException(plain.message, "AbortError");
  const known = Object.hasOwn(CLASSES, plain.name);
  const Class = known ? /** @type {typeof LoomError} */ (CLASSES[plain.name]) : InternalError;
  return new Class(known ? plain.message : `${plain.name}: ${plain.message}`, plain);
}

/**
 * One readable line for any thrown value.
 * @param {unknown} error
 */
export function explain(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * True when the error says that the work was stopped.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof Cancelled || (error instanceof Error && error.name === "AbortError");
}
