"""The cost of crossing between JavaScript and Python: `python -m bench.boundary` writes bench/results/boundary.json.

Needs the assembled site (`./build_pyodide.sh build`) and a Chromium.
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

SIZE = 49_152
"""Floats: the logits of a small language model."""
HERE = Path(__file__).resolve().parent
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


def measure(size: int = SIZE, rounds: int = 200) -> dict[str, Any]:
    """Milliseconds in Chromium: median, 90th percentile and best of each crossing."""
    with serve.start(paths.SITE, isolated=True) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        page = browser.new_context(bypass_csp=True).new_page()
        page.goto(server.url + "index.html")
        results = page.evaluate((HERE / "boundary.js").read_text(encoding="utf-8"), {"size": size, "rounds": rounds})
        version = browser.version
        browser.close()
    machine = {"chromium": version, "machine": platform.machine(), "cores": os.cpu_count()}
    return {"floats": size, "unit": "ms", **machine, **results}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "boundary.json")
    args = parser.parse_args()
    results = measure(rounds=args.rounds)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for group in ("typed", "json", "worker"):
        for name, times in results[group].items():
            print(
                f"{group:>6} {name:<13} {times['median']:8.3f} ms (best {times['best']:.3f}, 90 % {times['p90']:.3f})"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
