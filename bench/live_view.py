"""The speed of the live view with a thousand layers: `python -m bench.live_view` writes bench/results/live_view.json.

Drawing alone (every cell changes with every frame), and the whole way: ticks in the worker, activity as one typed array
per picture, drawn with the next frame. Needs the assembled site (`./build_pyodide.sh build`) and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tools import paths, serve

from .browser import chromium_path

HERE = Path(__file__).resolve().parent
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


def measure(seconds: float = 6) -> dict[str, Any]:
    """Frames, pictures and ticks a second in headless Chromium, which draws without a GPU; milliseconds elsewhere."""
    with serve.start(paths.SITE, isolated=True) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        page = browser.new_context(bypass_csp=True, viewport={"width": 1000, "height": 900}).new_page()
        page.goto(server.url + "index.html")
        results = page.evaluate((HERE / "live_view.js").read_text(encoding="utf-8"), {"seconds": seconds})
        version = browser.version
        browser.close()
    load = os.getloadavg()[0]
    machine = {"chromium": version, "machine": platform.machine(), "cores": os.cpu_count(), "load": round(load, 1)}
    return {"layers": 1000, **machine, **results}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "live_view.json")
    args = parser.parse_args()
    results = measure(args.seconds)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name, drawn in results["draw"].items():
        paint = drawn["paintMs"]
        print(f"draw     {name:<18} {drawn['framesPerSecond']:6.1f} frames/s, {paint['median']:.2f} ms a picture")
    for name, way in results["stepping"].items():
        print(
            f"stepping {name:<18} {way['picturesPerSecond']:6.1f} pictures/s at {way['ticksPerSecond']:.1f} ticks/s; "
            f"asked for: {way['typedArrayMs']['median']:.2f} ms typed, {way['jsonMs']['median']:.2f} ms JSON"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
