/**
 * A module with everything it declares to import, as blobs that import one another.
 *
 * Firefox holds the declared imports of a worker's modules against `worker-src`, where the site's pages allow blobs alone;
 * other browsers let `script-src` decide. Only this package's own modules come here: they are formatted, import by
 * relative addresses, and in no circles.
 */

import { problemOf } from "./runtime_files.js";

const DECLARED = /^((?:import|export)\s(?:[^;"]*\sfrom\s)?)"(\.{1,2}\/[^"]+)"/gm;
const OWN_ADDRESS = /\bimport\.meta\.url\b/g;
/** Milliseconds for one module to arrive. */
const MODULE_MS = 10_000;

/**
 * Addresses of blobs, the module's own first. Rejects when one of the modules could not be had.
 * @param {string | URL} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<string[]>}
 */
export async function moduleBlobs(url, signal) {
  /** @type {Map<string, Promise<string>>} Module → its blob; a module comes before those that it imports. */
  const blobs = new Map();

  /** @param {string} address @returns {Promise<string>} */
  const blobOf = (address) => {
    const begun = blobs.get(address) ?? linked(address);
    blobs.set(address, begun);
    return begun;
  };

  /** @param {string} address */
  const linked = async (address) => {
    const text = await source(address, signal);
    const wanted = [...text.matchAll(DECLARED)].map(([, , name]) => new URL(name ?? "", address).href);
    const imports = await Promise.all(wanted.map(blobOf));
    const own = text
      .replace(DECLARED, (_, declaration) => `${declaration}${JSON.stringify(imports.shift())}`)
      .replace(OWN_ADDRESS, () => JSON.stringify(address));
    return URL.createObjectURL(new Blob([own], { type: "text/javascript" }));
  };

  try {
    await blobOf(String(url));
    return await Promise.all(blobs.values());
  } catch (error) {
    const results = await Promise.allSettled(blobs.values());
    revoke(results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])));
    throw error;
  }
}

/** @param {string[]} addresses */
export function revoke(addresses) {
  for (const address of addresses) URL.revokeObjectURL(address);
}

/**
 * A module's text.
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
async function source(url, signal) {
  const late = AbortSignal.timeout(MODULE_MS);
  const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, late]) : late });
  const problem = problemOf(response, url);
  if (problem) throw problem;
  return response.text();
}
