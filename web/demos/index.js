/** The front page: what this browser offers. Python is not started here. */

import { capabilities } from "../loom.js";
import { element, make } from "./ui.js";

const offers = capabilities();
const rows = [
  ["WebGPU", offers.webgpu],
  ["Shared memory (cross-origin isolation)", offers.crossOriginIsolated],
  ["WebAssembly threads", offers.threads],
  ["Waiting inside WebAssembly (JSPI)", offers.jspi],
];
const list = element("offers", HTMLDListElement);
for (const [name, available] of rows) list.append(make("dt", String(name)), make("dd", available ? "yes" : "no"));
list.append(make("dt", "Processor cores"), make("dd", String(offers.cores)));
