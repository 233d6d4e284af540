// Pyodide from npm and the wheels one by one, without a lock file or scripts of this project.
//     node plain.mjs PYODIDE_FOLDER WHEEL…

import { pathToFileURL } from "node:url";

const [folder, ...wheels] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: folder });
await pyodide.loadPackage(
  wheels.map((path) => pathToFileURL(path).href),
  { messageCallback: () => {} },
);
const report = pyodide.runPython(
  `
import json
import loom_py

demo = json.loads(DEMO)
network = loom_py.build_network_from_json(demo["network"], seed=1)
result = network.train(demo["batches"], {"Epochs": 800, "LearningRate": 0.15, "GradientClip": 1.0})
text = network.save_model_to_string("demo")
again = loom_py.load_model_from_string(text, "demo")
x = demo["batches"][0]["Input"]
json.dumps({
    "version": loom_py.__version__,
    "loss": result.final_loss,
    "same": again.forward_cpu(x)[0].tolist() == network.forward_cpu(x)[0].tolist(),
})
`,
  { globals: pyodide.toPy({ DEMO: process.env.DEMO }) },
);
console.log(report);
