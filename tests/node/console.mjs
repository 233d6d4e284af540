// What someone types into Pyodide's console, line by line.
//     node console.mjs PYODIDE_FOLDER < lines

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder, lockFileURL: `${folder}/pyodide-lock.json` });
await pyodide.loadPackage("micropip", { messageCallback: () => {} });
const { PyodideConsole } = pyodide.pyimport("pyodide.console");
const typed = PyodideConsole(pyodide.globals);
for (const line of readFileSync(0, "utf8").split("\n")) {
  const future = typed.push(line);
  if (future.syntax_check === "syntax-error") throw new Error(`${line}: ${future.formatted_error}`);
  if (future.syntax_check !== "complete") continue;
  const value = await future;
  if (value !== undefined) console.log(String(value));
}
