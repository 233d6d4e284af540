/**
 * The location of this package's own files: the folder of `loom.js`, or of the bundle that holds it. `worker.js`, `pyodide/`,
 * `simd/` and `models/` are beside it.
 */

export const SITE = new URL("./", /* @vite-ignore */ import.meta.url);
