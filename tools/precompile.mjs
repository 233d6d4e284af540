// node precompile.mjs CORE (WHEEL OUTPUT)...: compiles every module of each wheel with the Python of the Pyodide in
// folder CORE, and writes the byte-code files as a zip.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [core, ...pairs] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${core}/` });
const compile = pyodide.runPython(`
import importlib.util, os, py_compile, zipfile

def compile_wheel():
    with zipfile.ZipFile("/wheel.zip") as wheel, zipfile.ZipFile("/bytecode.zip", "w") as out:
        for name in wheel.namelist():
            # Templates and examples with other syntax are not for import.
            if not name.endswith(".py") or ".dist-info/" in name or ".data/" in name:
                continue
            with open("/source.py", "wb") as file:
                file.write(wheel.read(name))
            cached = importlib.util.cache_from_source(name)
            try:
                py_compile.compile("/source.py", "/source.pyc", dfile="/lib/python3.14/site-packages/" + name, doraise=True,
                                   invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            except py_compile.PyCompileError:
                continue
            with open("/source.pyc", "rb") as file:
                out.writestr(zipfile.ZipInfo(cached, (2026, 1, 1, 0, 0, 0)), file.read())

compile_wheel
`);
for (let i = 0; i < pairs.length; i += 2) {
  pyodide.FS.writeFile("/wheel.zip", readFileSync(pairs[i]));
  compile();
  writeFileSync(pairs[i + 1], pyodide.FS.readFile("/bytecode.zip"));
}
