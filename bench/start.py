"""Time from navigation until a page can be used: `python -m bench.start [--against CHECKOUT]`, in Chromium.

Every visit of a round has a profile of its own; the second visit finds what the first one left in it. With
`--against` the pages of another commit's checkout take turns with this one's. Needs assembled sites
(`./build_pyodide.sh build`). The result goes to bench/results/start.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserType, sync_playwright

from tools import console, paths, serve

from .browser import chromium_path

HERE = Path(__file__).resolve().parent
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")
PAGES = {"index": "index", "grid scatter": "grid_scatter_demo", "chat": "inference"}
"""What is measured → its page. Chat is ready at its first token."""
VISITS = ("first", "second")
ROUNDS = 5
MARKS = """() => performance.getEntriesByType("mark").filter(({ name }) => name.startsWith("loom: "))
    .map(({ name, startTime }) => [name.slice(6), performance.timeOrigin + startTime])"""


def visit(chromium: BrowserType, address: str, profile: str) -> dict[str, float]:
    """One visit in a browser of its own. Milliseconds since navigation for each phase; `ready` is the last."""
    context = chromium.launch_persistent_context(profile, executable_path=chromium_path(), args=list(FLAGS))
    try:
        context.add_init_script((HERE / "start.js").read_text(encoding="utf-8"))
        page = context.new_page()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("html[data-start]", state="attached", timeout=300_000)
        origin = page.evaluate("performance.timeOrigin")
        times: dict[str, float] = json.loads(page.evaluate("document.documentElement.dataset.start"))
        for worker in page.workers[:1]:  # Python's; its threads sleep and answer nobody
            times |= {name: at - origin for name, at in worker.evaluate(MARKS)}
        page.wait_for_timeout(500)  # for what the browser keeps of the page's scripts
        return times
    finally:
        context.close()


def measure(sites: dict[str, str], pages: list[str], rounds: int) -> dict[str, Any]:
    """Page → visit → site → phase → milliseconds, one a round."""
    result: dict[str, Any] = {}
    with sync_playwright() as playwright:
        for turn in range(rounds):
            for page in pages:
                for site, address in sites.items():
                    with tempfile.TemporaryDirectory(prefix="loom-start-") as profile:
                        for name in VISITS:
                            times = visit(playwright.chromium, f"{address}{PAGES[page]}.html", profile)
                            row = result.setdefault(page, {}).setdefault(name, {}).setdefault(site, {})
                            for phase, at in times.items():
                                row.setdefault(phase, []).append(round(at))
            console.detail(f"round {turn + 1} of {rounds}")
    return result


def table(result: dict[str, Any]) -> str:
    """Medians as Markdown, and the phases of the last site below each."""
    lines = ["| page | visit | " + " | ".join(next(iter(next(iter(result.values())).values()))) + " |"]
    lines.append("|---" * lines[0].count(" | ") + "|---|")
    for page, visits in result.items():
        for name, sites in visits.items():
            ready = (f"{statistics.median(phases['ready']) / 1000:.2f} s" for phases in sites.values())
            lines.append(f"| {page} | {name} | " + " | ".join(ready) + " |")
    lines.append("")
    for page, visits in result.items():
        for name, sites in visits.items():
            for site, phases in sites.items():
                steps = sorted((statistics.median(times), phase) for phase, times in phases.items())
                words = " · ".join(f"{phase} {at / 1000:.2f}" for at, phase in steps)
                lines.append(f"{page}, {name} visit, {site}: {words}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--runs", type=int, default=ROUNDS, help=f"rounds, {ROUNDS} if not given")
    parser.add_argument("--only", choices=PAGES, action="append", help="this page only; may be given several times")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="a built checkout of another commit")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "start.json")
    options = parser.parse_args()
    checkouts = {"before": options.against.resolve()} if options.against else {}
    checkouts["this"] = paths.REPOSITORY
    servers = {name: serve.start(checkout / "dist") for name, checkout in checkouts.items()}
    sites = {name: server.url for name, server in servers.items()}
    try:
        result = measure(sites, options.only or list(PAGES), options.runs)
    finally:
        for server in servers.values():
            server.stop()
    print(table(result))
    facts = {"machine": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"unit": "ms", **facts, "pages": result}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(console.run(main))
