/** The devices of this browser with their facts, and every kernel of each checked against NumPy. */

import { isAbort } from "../loom.js";
import { deviceText, element, make, showError, size, startSession } from "./ui_forms.js";

/** @typedef {import("../loom.js").DeviceFacts} DeviceFacts */
/** @typedef {import("../loom.js").CheckedKernel} CheckedKernel */

const view = {
  error: element("error", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  status: element("status", HTMLElement),
  devices: element("devices", HTMLTableSectionElement),
  kernels: element("kernels", HTMLTableSectionElement),
  adapter: element("adapter", HTMLTableSectionElement),
  none: element("adapter-none", HTMLElement),
  verify: element("verify", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  summary: element("summary", HTMLElement),
  time: element("time", HTMLButtonElement),
  scale: element("scale", HTMLSelectElement),
  timings: element("timings", HTMLTableSectionElement),
};
/** @type {AbortController | null} */
let stopping = null;

const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.then(show, () => {});
view.verify.onclick = () => void verify();
view.time.onclick = () => void timeLayers();
view.stop.onclick = () => stopping?.abort();

/** @param {import("../loom.js").Session} session */
async function show(session) {
  showDevices(session.devices);
  const [report] = await session.detect();
  view.none.textContent = report ? "As the original’s detector reports it." : reasonOf(session.devices);
  const { limits = {}, recommended = {}, features = [], env: _, ...facts } = report ?? {};
  for (const [name, value] of Object.entries(facts)) fact(view.adapter, name, String(value) || "not reported");
  if (report) fact(view.adapter, "features", features.join(", ") || "none");
  for (const [name, value] of Object.entries({ ...recommended, ...limits }))
    fact(view.adapter, name, Number(value).toLocaleString("en"));
  view.verify.disabled = !session.devices.some(checkable);
  view.time.disabled = false;
}

/** @param {DeviceFacts[]} devices */
const reasonOf = (devices) => devices.find((d) => d.device === "webgpu")?.reason ?? "There is none.";

/** @param {DeviceFacts} device */
const checkable = ({ device, available }) => available && device !== "numpy";

/** @param {DeviceFacts[]} devices */
function showDevices(devices) {
  view.devices.replaceChildren();
  for (const facts of devices) {
    const row = view.devices.insertRow();
    row.append(make("th", facts.device));
    row.insertCell().textContent = facts.available ? describe(facts) : `not available: ${facts.reason}`;
    row.insertCell().textContent = facts.used === undefined ? "" : size(facts.used);
  }
}

/** @param {DeviceFacts} facts */
function describe({ device, threads = 1, relaxed, digits, hardware, vendor, architecture }) {
  if (device === "numpy") return "NumPy in WebAssembly, one thread";
  if (device === "simd") {
    const team = threads === 1 ? "one thread" : `${threads} threads`;
    const products = digits === "bytes" ? "dots of bytes" : "dots of 16-bit words";
    return `compiled kernels, ${team}, ${relaxed ? "relaxed " : ""}SIMD, ${products} for quantised weights`;
  }
  const name = [vendor, architecture].filter(Boolean).join(" ") || "a GPU";
  return `${name}${hardware ? "" : ", played by the CPU"}, WGSL kernels`;
}

/** @param {HTMLTableSectionElement} table @param {string} name @param {string} value */
function fact(table, name, value) {
  const row = table.insertRow();
  row.append(make("th", name));
  row.insertCell().textContent = value;
}

async function verify() {
  const session = await starting;
  stopping = new AbortController();
  view.verify.disabled = true;
  view.stop.disabled = false;
  view.bar.hidden = false;
  view.kernels.replaceChildren();
  showError(view.error);
  let kernels = 0;
  let wrong = 0;
  try {
    for (const { device } of session.devices.filter(checkable)) {
      const rows = await session.verifyDevice(device === "simd" ? "simd" : "webgpu", {
        signal: stopping.signal,
        onProgress: ({ loaded = 0, total = 1, ...checked }) => {
          view.bar.max = total;
          view.bar.value = loaded;
          showKernel(device, /** @type {CheckedKernel} */ (/** @type {unknown} */ (checked)));
        },
      });
      kernels += rows.length;
      wrong += rows.filter((row) => row.problem).length;
    }
    view.summary.textContent = wrong
      ? `${wrong} of ${kernels} kernels are wrong here.`
      : `All ${kernels} kernels are right.`;
  } catch (error) {
    if (isAbort(error)) view.summary.textContent = "Stopped.";
    else showError(view.error, error);
  } finally {
    view.bar.hidden = true;
    view.verify.disabled = false;
    view.stop.disabled = true;
  }
}

/** @param {string} device @param {CheckedKernel} checked */
function showKernel(device, { kernel, cases, error, problem }) {
  const row = view.kernels.insertRow();
  row.append(make("th", kernel));
  row.insertCell().textContent = device;
  row.insertCell().textContent = String(cases);
  row.insertCell().textContent = problem || (error ? error.toExponential(1) : "0");
}

/** Time the layers on every device, each figure shown as it comes. */
async function timeLayers() {
  const session = await starting;
  stopping = new AbortController();
  view.time.disabled = true;
  view.stop.disabled = false;
  view.timings.replaceChildren();
  showError(view.error);
  try {
    const toolbox = await session.createToolbox();
    await toolbox.timeLayers(null, 3, Number(view.scale.value), { signal: stopping.signal, onProgress: showTiming });
    view.summary.textContent = "All layers were timed.";
  } catch (error) {
    if (isAbort(error)) view.summary.textContent = "Stopped.";
    else showError(view.error, error);
  } finally {
    view.time.disabled = false;
    view.stop.disabled = true;
  }
}

/** @param {any} timing a record of `LayerTiming` */
function showTiming({ layer, device, sizes, forward, backward, reason }) {
  const row = view.timings.insertRow();
  row.title = sizes;
  row.append(make("th", layer));
  row.insertCell().textContent = device;
  row.insertCell().textContent = reason || `${forward.toFixed(2)} ms`;
  row.insertCell().textContent = reason ? "" : `${backward.toFixed(2)} ms`;
}
