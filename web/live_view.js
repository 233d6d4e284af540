/** The live view of a grid: the package's entry point `loom-browser/live_view.js`. */

export { LiveView } from "./view/live_view.js";

/** @typedef {import("./view/live_view.js").Shown} Shown */
/** @typedef {import("./view/live_view.js").LiveOptions} LiveOptions */
/** @typedef {import("./view/live_layout.js").Arrangement} Arrangement */
