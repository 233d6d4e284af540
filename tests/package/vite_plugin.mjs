// node vite_plugin.mjs PLUGIN: what the plugin for Vite does at each of its hooks, as JSON.

import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [, , path = ""] = process.argv;
const { default: loom } = await import(pathToFileURL(path).href);
const folder = dirname(path);
const plugin = loom();

/** @param {string} url what the development server answers, or "next" where it leaves that to Vite */
const answer = (url) =>
  new Promise((resolve) => {
    /** @type {Record<string, unknown>} */
    const headers = {};
    const response = {
      setHeader: (/** @type {string} */ name, /** @type {unknown} */ value) => (headers[name] = value),
      on: () => response,
      once: () => response,
      emit: () => resolve(headers),
      write: () => true,
      end: () => resolve(headers),
    };
    const middlewares = {
      use: (/** @type {Function} */ handler) => handler({ url }, response, () => resolve("next")),
    };
    plugin.configureServer({ config: { root: folder, base: "/", server: { headers: { "X-Own": "1" } } }, middlewares });
  });

/** @type {string[]} */
const emitted = [];
const context = { emitFile: (/** @type {{fileName: string}} */ { fileName }) => void emitted.push(fileName) };
const bundle = { "assets/index.js": { moduleIds: [`${folder}/site.js`] }, "other/a.js": { moduleIds: ["/x/site.js"] } };
await plugin.generateBundle.call(context, {}, bundle);
const answers = {
  script: await answer("/pyodide/pyodide.mjs?import"),
  outside: await answer("/../package.json"),
  missing: await answer("/nothing.js"),
};
console.log(JSON.stringify({ config: plugin.config(), emitted, answers }));
