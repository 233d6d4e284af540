// node snapshot.mjs RUNTIME MEMORY HEAD: starts the Pyodide in the site's folder RUNTIME with the packages there, imports
// what pages use, and writes its memory and what it takes to use it.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { putInto, unpacked } from "../web/engine/packed.js";

const [runtime, memory, head] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${runtime}/`, _makeSnapshot: true });
const module = pyodide._module;
putInto(module.FS, module.API.sitePackages, await unpacked(new Uint8Array(readFileSync(`${runtime}/packages.bin`))));

// Another JavaScript engine may have more functions of its own in the table before the first library: leave room.
const floor = 64 * Math.ceil(module.wasmTable.length / 64 + 1);
module.wasmTable.grow(floor - module.wasmTable.length);
module.freeTableIndexes.push = () => 0; // places are not used twice, so that libraries alone decide where what lies

pyodide.runPython(`
import gc
import importlib
import pkgutil

importlib.invalidate_caches()
import numpy
import jinja2
import loom_py.bridge.api

def import_all(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        try:
            imported = importlib.import_module(module.name)
        except ImportError:  # of what only other hosts than a page have
            continue
        if module.ispkg:
            import_all(imported)

for room in ("bridge", "generation", "models", "network", "text", "runtime"):
    import_all(importlib.import_module("loom_py." + room))
del import_all, room
gc.collect()
`);

const libraries = Object.entries(module.LDSO.loadedLibsByHandle)
  .filter(([handle]) => Number(handle) > 0)
  .map(([handle, { name, global, refcount }]) => ({
    handle: Number(handle),
    name,
    global,
    nodelete: refcount === Infinity,
    memory: module.HEAPU32[(Number(handle) + 12) >>> 2],
    table: module.HEAPU32[(Number(handle) + 20) >>> 2],
  }))
  .sort((a, b) => a.table - b.table);

// Free memory holds remains that compress badly.
module._malloc_set_footprint_limit(module._malloc_footprint());
const blocks = [];
for (let size = 1 << 24; size >= 64; size >>>= 1) {
  for (let block = module._malloc(size); block; block = module._malloc(size)) {
    module.HEAPU8.fill(0, block, block + size);
    blocks.push(block);
  }
}
blocks.forEach((block) => module._free(block));
module._malloc_set_footprint_limit(-1);

// The function that each engine compiles for itself; a page puts its own here.
const offset = module.HEAP32[module.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >>> 2] ?? 0;
module.HEAP32[(module.__PyRuntime + offset) >>> 2] = 0;

writeFileSync(memory, pyodide.makeMemorySnapshot());
writeFileSync(head, JSON.stringify({ floor, table: module.wasmTable.length, heap: module.HEAP8.length, libraries }));
