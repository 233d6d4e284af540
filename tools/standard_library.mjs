// node standard_library.mjs CORE OUTPUT WHEEL...: starts the Pyodide in folder CORE as a page does, with these wheels, and
// writes the byte-code of the modules of the standard library that this imported as a zip.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [core, output, ...wheels] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${core}/` });
await pyodide.loadPackage(
  wheels.map((path) => pathToFileURL(path).href),
  { messageCallback: () => {} },
);
pyodide.runPython(`
import sys
import loom_py.bridge.api

started = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}

import importlib.util, marshal, zipfile

library = next(path for path in sys.path if path.endswith(".zip"))
with zipfile.ZipFile(library) as source, zipfile.ZipFile("/bytecode.zip", "w") as out:
    for name in source.namelist():
        place = f"{library}/{name}"
        if not name.endswith(".py") or place not in started:
            continue
        text = source.read(name)
        # PEP 552's unchecked form; zipimport looks for it beside the source, and before it.
        head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(text)
        code = marshal.dumps(compile(text, place, "exec", dont_inherit=True))
        out.writestr(zipfile.ZipInfo(f"{name}c", (2026, 1, 1, 0, 0, 0)), head + code)
`);
writeFileSync(output, pyodide.FS.readFile("/bytecode.zip"));
