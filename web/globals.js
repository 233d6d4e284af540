/** The original's global functions: the package's entry point `loom-browser/globals`. */

export { LoomNetwork, LoomObject, Results, initLoom } from "./api/globals.js";
