/**
 * A module with everything it declares to import, as blobs that import one another.
 *
 * Firefox holds the declared imports of a worker's modules against `worker-src`, where the site's pages allow blobs alone;
 * other browsers let `script-src` decide. Only this package's own modules come here: they are formatted, import by
 * relative addresses, and in no circles.
 */

import { RuntimeFailure, explain } from "./errors.js";
import { problemOf } from "./runtime_files.js";

const DECLARED = /^((?:import|export)\s(?:[^;"]*\sfrom\s)?)"(\.{1,2}\/[^"]+)"/gm;
const OWN_ADDRESS = /\bimport\.meta\.url\b/g;
/** Milliseconds for one module to arrive. */
const MODULE_MS = 10_000;

/**
 * Addresses of blobs, the module's own last. Rejects with a `RuntimeFailure` that names the module that could not be had.
 * @param {string | URL} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<string[]>}
 */
export async function moduleBlobs(url, signal) {
  /** @type {Map<string, Promise<string>>} */
  const blobs = new Map();

  /** @param {string} address @returns {Promise<string>} */
  const blob = (address) => {
    const begun = blobs.get(address) ?? made(address);
    blobs.set(address, begun);
    return begun;
  };

  /** @param {string} address */
  const made = async (address) => {
    const text = await source(address, signal);
    const wanted = [...text.matchAll(DECLARED)].map(([, , name]) => new URL(name ?? "", address).href);
    const imports = await Promise.all(wanted.map(blob));
    const linked = text
      .replace(DECLARED, (_, declaration) => `${declaration}${JSON.stringify(imports.shift())}`)
      .replace(OWN_ADDRESS, () => JSON.stringify(address));
    return URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
  };

  try {
    await blob(String(url));
  } catch (error) {
    revoke(await settled(blobs));
    throw error;
  }
  const all = await settled(blobs);
  const own = await /** @type {Promise<string>} */ (blobs.get(String(url)));
  return [...all.filter((address) => address !== own), own];
}

/** @param {string[]} addresses */
export function revoke(addresses) {
  for (const address of addresses) URL.revokeObjectURL(address);
}

/** @param {Map<string, Promise<string>>} blobs those that came to be */
async function settled(blobs) {
  const results = await Promise.allSettled(blobs.values());
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/**
 * A module's text.
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
async function source(url, signal) {
  const late = AbortSignal.timeout(MODULE_MS);
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { signal: signal ? AbortSignal.any([signal, late]) : late });
  } catch (error) {
    throw new RuntimeFailure(`could not be fetched (${explain(error)})`, { where: url, cause: error });
  }
  const problem = problemOf(response, url);
  if (problem) throw new RuntimeFailure(problem.problem, { where: problem.where });
  return response.text();
}
