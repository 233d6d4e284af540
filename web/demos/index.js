/** The front page: what this browser offers. Python is not started here. */

import { capabilities } from "../loom.js";
import { element, make } from "./ui.js";

const found = capabilities();
const rows = [
  ["WebGPU", found.webgpu],
  ["Shared memory (cross-origin isolation)", found.crossOriginIsolated],
  ["WebAssembly threads", found.threads],
  ["Waiting inside WebAssembly (JSPI)", found.jspi],
];
const list = element("offers", HTMLDListElement);
for (const [name, there] of rows) list.append(make("dt", String(name)), make("dd", there ? "yes" : "no"));
list.append(make("dt", "Processor cores"), make("dd", String(found.cores)));
