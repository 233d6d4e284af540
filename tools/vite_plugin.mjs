/**
 * The package in a Vite project, two lines of `vite.config.js`:
 *
 *     import loom from "loom-browser/vite";
 *     export default { plugins: [loom()] };
 *
 * LOOM's worker and Python's files are loaded by address and checked by their hashes, so they must stay as they are: the
 * development server sends them unchanged, and a build puts them beside the chunk that holds `loom.js`.
 */

import { createReadStream } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { extname, join, posix, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));
const SITE_MODULE = join(FOLDER, "site.js");
/** @type {Record<string, string>} */
const MEDIA_TYPES = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** @typedef {{moduleIds?: string[]}} Output a file of the bundle; chunks have modules */
/** @typedef {{url?: string}} Incoming */
/** @typedef {import("node:http").ServerResponse} Outgoing */
/** @typedef {{config: {root: string, base: string, server: {headers?: Record<string, string>}}, middlewares: {use(handler: (request: Incoming, response: Outgoing, next: () => void) => void): void}}} Server */

export default function loom() {
  return {
    name: "loom-browser",
    config: () => ({ optimizeDeps: { exclude: ["loom-browser"] } }),

    /** @param {Server} server */
    configureServer({ config, middlewares }) {
      middlewares.use((request, response, next) => {
        const path = fileOf(request.url ?? "", config);
        if (!path) return next();
        return stat(path).then((facts) => {
          if (!facts.isFile()) return next();
          for (const [name, value] of Object.entries(config.server.headers ?? {})) response.setHeader(name, value);
          response.setHeader("Content-Type", MEDIA_TYPES[extname(path)] ?? "application/octet-stream");
          response.setHeader("Content-Length", facts.size);
          response.setHeader("Cache-Control", "no-cache");
          createReadStream(path).pipe(response);
        }, next);
      });
    },

    /**
     * @this {{emitFile(file: {type: "asset", fileName: string, source: Uint8Array}): void}}
     * @param {unknown} _options
     * @param {Record<string, Output>} bundle
     */
    async generateBundle(_options, bundle) {
      const chunks = Object.entries(bundle).filter(([, { moduleIds = [] }]) => moduleIds.some(isSite));
      const folders = new Set(chunks.map(([name]) => posix.dirname(name)));
      for (const path of await runtimeFiles()) {
        const source = await readFile(path);
        const inside = relative(FOLDER, path).split(sep).join("/");
        for (const folder of folders) {
          this.emitFile({ type: "asset", fileName: posix.join(folder, inside), source });
        }
      }
    },
  };
}

/** @param {string} id of a module, perhaps with a query */
const isSite = (id) => resolve(id.replace(/\?.*$/, "")) === SITE_MODULE;

/**
 * The file of this package that a request means.
 * @param {string} url
 * @param {{root: string, base: string}} config
 */
function fileOf(url, { root, base }) {
  const pathname = decodeURIComponent(url.replace(/[?#].*$/, ""));
  const inside = pathname.startsWith(base) ? pathname.slice(base.length) : pathname.slice(1);
  const path = inside.startsWith("@fs/") ? resolve("/", inside.slice("@fs/".length)) : resolve(root, inside);
  return path.startsWith(FOLDER) ? path : null;
}

/** What the page loads by address: scripts, Python and the kernels. */
async function runtimeFiles() {
  const entries = await readdir(FOLDER, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return paths.filter(
    (path) =>
      !/\.d\.ts$|vite\.mjs$|\.html$/.test(path) && !/^(models|demos|vendor|examples)/.test(relative(FOLDER, path)),
  );
}
