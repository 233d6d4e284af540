"""LOOM beside its rivals in one browser: `./build_pyodide.sh bench [--only CASE] [--runs N] [--quick]`.

With `--against CHECKOUT` LOOM is measured beside itself, as another commit's checkout built it; with `--against FILE`
its lead over the rivals is compared with that of an earlier run.

Every contestant has its own page; within a case they take turns, so that what slows the machine for a while slows all
of them. Results go to bench/results/rivals.json and into the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loom_py.generation.loading import load_tokenizer
from tools import console, files, paths

from . import browser, cases, contestants, embedding, gate, table, weights
from .browser import Hall, Seat
from .cases import Case
from .contestants import FORMATS, Contestant

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = paths.REPOSITORY / "docs" / "performance.md"
ROUNDS = 5
QUICK_ROUNDS = 2
Times = dict[str, dict[str, list[float]]]
"""Row → contestant → milliseconds, one a round."""


class Bench:
    """One run: opens contestants, lets them take turns, keeps their results."""

    def __init__(self, hall: Hall, rounds: int) -> None:
        self.hall, self.rounds = hall, rounds
        self.times: Times = {}
        self.notes: dict[str, str] = {}
        self.activations: dict[str, str] = {}
        self.batches: dict[str, int] = {}
        self.texts: dict[str, dict[str, str]] = {}

    def play(
        self, entrants: list[Contestant], program: list[Case], decode: Callable[[list[int]], str] | None = None
    ) -> None:
        """All cases with these contestants."""
        seats = []
        for entrant in entrants:
            try:
                seats.append(self._seat(entrant))
            except console.Skipped as reason:
                self._note(entrant, str(reason))
        try:
            for case in program:
                self._case(case, seats, decode)
        finally:
            for seat in seats:
                seat.close()

    def _note(self, contestant: Contestant, reason: str) -> None:
        key = label(contestant)
        if self.notes.get(key) != reason:
            self.notes[key] = reason
            console.detail(f"{key}: left out: {reason}")

    def _seat(self, entrant: Contestant) -> Seat:
        started = time.monotonic()
        seat = self.hall.open(entrant)
        reason = missing(entrant.device, seat.facts.get("devices", []))
        if reason:
            seat.close()
            raise console.Skipped(reason)
        console.detail(f"{label(entrant)}: ready after {time.monotonic() - started:.1f} s")
        return seat

    def _case(self, case: Case, seats: list[Seat], decode: Callable[[list[int]], str] | None) -> None:
        started = time.monotonic()
        ready = []
        for seat in seats:
            try:
                used = seat.call("prepare", case.message)
                device = seat.contestant.device
                if device and used.get("device") != device:
                    raise console.Skipped(
                        f"{case.name} ran on {used.get('device')} ({used.get('reason', 'no reason given')})"
                    )
                if "activations" in used:
                    self.activations[label(seat.contestant)] = used["activations"]
                if "batch" in used:
                    self.batches[label(seat.contestant)] = used["batch"]
                ready.append(seat)
            except console.Skipped as reason:
                self._note(seat.contestant, str(reason))
        rounds: dict[str, list[dict[str, Any]]] = {label(seat.contestant): [] for seat in ready}
        for turn in range(self.rounds):
            for seat in list(ready):
                try:
                    rounds[label(seat.contestant)].append(seat.call("run", case.message, turn))
                except console.Skipped as reason:
                    self._note(seat.contestant, f"{case.name}: {reason}")
                    ready.remove(seat)
        for seat in ready:
            self._keep(case, seat.contestant, rounds[label(seat.contestant)], decode)
        weight = f" {seats[0].contestant.weights}" if seats and seats[0].contestant.weights else ""
        console.detail(f"{case.name}{weight}: {self.rounds} rounds in {time.monotonic() - started:.0f} s")

    def _keep(
        self,
        case: Case,
        contestant: Contestant,
        rounds: list[dict[str, Any]],
        decode: Callable[[list[int]], str] | None,
    ) -> None:
        for row in case.rows:
            turns = [turn[row.name] for turn in rounds]
            if case.expected is not None:
                wrong = [
                    r["check"]
                    for r in turns
                    if not abs(r["check"] - case.expected) <= case.tolerance * abs(case.expected)
                ]
                if wrong:
                    self._note(contestant, f"{case.name} gave {wrong[0]:.6g} instead of {case.expected:.6g}")
                    return
            key = f"{row.name} {contestant.weights}".strip()
            self.times.setdefault(key, {})[contestant.name] = [r["ms"] for r in turns]
            words = [r.get("text") or (decode(r["ids"]) if decode and "ids" in r else "") for r in turns]
            if any(words):
                self.texts.setdefault(key, {})[contestant.name] = words[0][:80]


def limits_of(hall: Hall, threads: list[int]) -> dict[str, dict[str, float]]:
    """Threads → the figures of `pages/roofline.js`."""
    stage = hall.open(Contestant("roofline", "roofline", {"folder": "/bench/"}))
    try:
        return stage.call("run", {"threads": threads, "milliseconds": 300})
    finally:
        stage.close()


def missing(device: str, devices: list[dict[str, Any]]) -> str:
    """Why a session lacks the device that a row needs, "" if it has it."""
    if device in ("", "numpy"):
        return ""
    for facts in devices:
        if facts["device"] == device:
            if facts.get("hardware") is False:
                return "its adapter is software, which says nothing about a GPU"
            return "" if facts["available"] else facts.get("reason", "it is not available")
    return "this build does not have it yet"


def label(contestant: Contestant) -> str:
    return f"{contestant.name} {contestant.weights}".strip()


def rivals() -> dict[str, str]:
    """Package → version, from the rivals' lock file."""
    lock = json.loads((browser.RIVALS / "package-lock.json").read_text(encoding="utf-8"))
    names = lock["packages"][""]["devDependencies"]
    return {name: lock["packages"][f"node_modules/{name}"]["version"] for name in names}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_pyodide.sh bench", description="Measure LOOM beside its rivals.")
    names = ("grid", "mlp", "matmul", "short", "long", "far", "training", "language", "embedding")
    parser.add_argument("--only", choices=names, action="append", help="this case only; may be given several times")
    parser.add_argument("--runs", type=int, help=f"rounds, {ROUNDS} if not given")
    parser.add_argument("--quick", action="store_true", help="few rounds and short cases only; changes no file")
    where = "where the result goes as JSON; bench/results/rivals.json (a full run's) renews the page too"
    parser.add_argument("--output", type=Path, help=where)
    parser.add_argument(
        "--formats", help=f"of the language model: {','.join(FORMATS)}; if not given, q4_1,f32, and with --quick q4_1"
    )
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT|FILE",
        help="a built checkout of another commit: its LOOM takes turns with this one's; no rivals, changes no file. Or "
        "the JSON of an earlier run: fails if LOOM's lead over the rivals has shrunk",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    options.formats = (options.formats or ("q4_1" if options.quick else "q4_1,f32")).split(",")
    for name in options.formats:
        if name not in FORMATS:
            parser.error(f"unknown format {name!r}; choose from {', '.join(FORMATS)}")
    options.runs = options.runs if options.runs is not None else QUICK_ROUNDS if options.quick else ROUNDS
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    options.earlier = None
    if options.against and not options.against.is_dir():
        options.earlier, options.against = gate.read(options.against), None
    return options


def main() -> None:
    options = parse()
    started = time.monotonic()

    def selected(case: Case) -> bool:
        return not options.only or case.name in options.only or case.kind in options.only

    cache = paths.cache("bench")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="site-") as name:
        folder = Path(name)
        before = None
        if options.against:
            before = folder / "before"
            browser.assemble(before, options.against.resolve(), rivals=False)
        folder = folder / "this"
        browser.assemble(folder, rivals=not options.against)
        program = [*cases.training(folder / cases.DATA), cases.product()]
        if before:
            for path in sorted((folder / cases.DATA).iterdir()):
                files.place(path, before / cases.DATA / path.name)
        models: dict[str, weights.ModelFile] = {}
        if not options.only or {"short", "long", "far", "language"} & set(options.only):
            source = weights.demo_model()
            for key in options.formats:
                models[key] = weights.describe(weights.provide(source, key), key)
                for site in filter(None, (folder, before)):
                    browser.place_model(models[key].path, site, key)
            tokenizer = load_tokenizer(source)
            program += cases.language(tokenizer, models, options.runs, quick=options.quick)
        if "embedding" in (options.only or () if options.quick else options.only or ("embedding",)):
            count = embedding.FEW if options.quick else embedding.SENTENCES
            program.append(embedding.case(folder / cases.DATA, count))
            if before:
                files.place(folder / cases.DATA / f"{embedding.KEY}.f32", before / cases.DATA / f"{embedding.KEY}.f32")
            else:
                embedding.place_rivals_model(folder)
        program = [case for case in program if selected(case)]
        with browser.open_hall(folder, before) as hall:
            facts = browser.machine(hall.browser)
            console.step(f"Bench: {facts['cpu']}, {facts['cores']} cores, Chromium {facts['chromium']}")
            bench = Bench(hall, options.runs)
            threads = sorted({1, facts["cores"]})
            limits_first = limits_of(hall, threads)
            training = [case for case in program if case.kind == "training"]
            if training:
                bench.play(contestants.for_training(facts["cores"], against=bool(before)), training)
            for key in models:
                language = [case for case in program if case.kind == "language"]
                seats = contestants.for_language(facts["cores"], key, browser.model_url(key), against=bool(before))
                bench.play(seats, language, load_tokenizer(models[key].path).decode)
            embedders = [case for case in program if case.kind == "embedding"]
            if embedders:
                bench.play(contestants.for_embedding(facts["cores"], against=bool(before)), embedders)
            limits_last = limits_of(hall, threads)
    limits = {
        n: {kernel: max(rate, limits_last[n][kernel]) for kernel, rate in row.items()}
        for n, row in limits_first.items()
    }
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": facts,
        "packages": rivals(),
        "rounds": options.runs,
        "limits": limits,
        "rows": table.rows(program, bench.times, limits, list(models), facts["cores"]),
        "activations": bench.activations,
        "batches": bench.batches,
        "texts": bench.texts,
        "left_out": bench.notes,
    }
    text = table.render(result)
    print(text)
    full = not options.quick and not options.only and not options.against
    output = options.output or (RESULTS / "rivals.json" if full else None)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        console.detail(f"written: {output}")
    if output and output.resolve() == (RESULTS / "rivals.json").resolve():
        PAGE.write_text(table.replace_section(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
        console.detail(f"written: the table of {PAGE.relative_to(paths.REPOSITORY)}")
    console.detail(f"done in {time.monotonic() - started:.0f} s")
    if options.earlier:
        compared = gate.changes(result, options.earlier)
        print(gate.render(compared))
        gate.require(compared)


if __name__ == "__main__":
    sys.exit(console.run(main))
