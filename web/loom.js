/**
 * LOOM in the browser.
 *
 *     import { loom } from "./loom.js";
 *     const session = await loom.start();
 *     const model = await session.loadModel("HuggingFaceTB/SmolLM2-135M-Instruct");
 *     for await (const piece of model.chat("What is the capital of France?")) console.log(piece.text);
 *
 * `loom.start` is the promise API (`api/session.js`); `initLoom` installs the original's global functions (`api/globals.js`).
 */

import { Session } from "./api/session.js";
import { capabilities } from "./engine/capabilities.js";
import { siteModels } from "./storage/hub.js";

export { LoomNetwork, initLoom } from "./api/globals.js";
export { saveFile } from "./api/save_file.js";
export { LanguageModel } from "./api/language_model.js";
export { LoomObject } from "./api/loom_object.js";
export { EvaluationMetrics, Prediction } from "./api/metrics.js";
export { Network } from "./api/network.js";
export { RemoteObject } from "./api/remote_object.js";
export { Session } from "./api/session.js";
export { TransformerAPI, createTransformerAPI } from "./api/transformer.js";
export { boot } from "./engine/boot.js";
export { capabilities } from "./engine/capabilities.js";
export * from "./errors.js";
export { canPickFolder, droppedFiles, pickFolder } from "./storage/folders.js";
export { DEFAULT_REPOSITORY, DEFAULT_REVISION, siteModels } from "./storage/hub.js";

export const loom = Object.freeze({ start: Session.start, capabilities, siteModels });
export default loom;
