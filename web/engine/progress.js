/** Progress reports of long work, and how it is stopped. */

/** @typedef {{status: string, file?: string, loaded?: number, total?: number, unit?: "files" | "bytes", message?: string}} Progress */
/** @typedef {(progress: Progress) => void} OnProgress */
/** @typedef {{onProgress?: OnProgress, signal?: AbortSignal}} WorkOptions */

export {};
