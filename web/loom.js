/**
 * LOOM in the browser.
 *
 *     import { loom } from "./loom.js";
 *     const session = await loom.start();
 *     const model = await session.loadModel("HuggingFaceTB/SmolLM2-135M-Instruct");
 *     for await (const piece of model.chat("What is the capital of France?")) console.log(piece.text);
 *
 * `loom.start` is the promise API (`session.js`); `initLoom` installs the original's global functions (`globals.js`).
 */

import { capabilities } from "./boot.js";
import { siteModels } from "./hub.js";
import { Session } from "./session.js";

export { boot, capabilities } from "./boot.js";
export * from "./errors.js";
export { canPickFolder, droppedFiles, pickFolder } from "./folders.js";
export { LoomNetwork, initLoom } from "./globals.js";
export { DEFAULT_REPOSITORY, DEFAULT_REVISION, siteModels } from "./hub.js";
export { LoomObject } from "./objects.js";
export { RemoteObject } from "./remote_object.js";
export { LanguageModel, Network, Session } from "./session.js";
export { TransformerAPI, createTransformerAPI } from "./transformer.js";

export const loom = Object.freeze({ start: Session.start, capabilities, siteModels });
export default loom;
