"""All fuzzers and soaks as one campaign: `./build_pyodide.sh soak [--minutes N] [--seed S] [--only PART …]`.

Every part makes cases from a seed and a number, so that a fault can be had again: `--seed S --only PART --first NUMBER
--minutes 0`. Parts take turns until the time is up; at the end stands what was tried and what went wrong.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from loom_py import build_network_from_json
from loom_py.errors import LoomError
from loom_py.runtime.choice import use_device
from loom_py.runtime.simd.device import SimdDevice
from tools import paths

from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config
from . import mutations, tokenizer_attacks, tokenizer_texts
from .programs import programs

Case = tuple[int, str]
"""The number of a case, and what was wrong with it, or a word from `GOOD`."""
GOOD = {*mutations.GOOD, "encoded", "equal", "trained", "diverged", "passed"}
SUITES = {
    "hypothesis": ["tests/formats/test_fuzz.py", "tests/runtime/test_trace.py", "tests/runtime/test_simplify.py"],
    "page": ["tests/browser/test_fuzz.py", "tests/browser/test_leaks.py", "tests/trouble/test_programs_page.py"],
}
"""Tests that are campaigns of their own; those with hypothesis take the seed."""


def mutated_programs(seed: int, first: int) -> Iterator[Case]:
    """Damaged programs on NumPy and simd."""
    texts, device, at = programs(), SimdDevice(), first
    while True:
        for number, _kind, _text, outcome in mutations.campaign(texts, seed, range(at, at + 20), device):
            yield number, outcome
        at += 20


def hostile_tokenizers(seed: int, first: int) -> Iterator[Case]:
    """Random tokenizers and texts of 10 kB; every tenth with its memory."""
    at = first
    while True:
        yield at, tokenizer_attacks.attempt(f"{seed}.{at}", memory=at % 10 == 0)
        at += 1


def tokenizer_kinds(seed: int, first: int) -> Iterator[Case]:
    """Random texts through a tokenizer of each kind in turn, ours beside `tokenizers`."""
    at = first
    while True:
        yield at, tokenizer_texts.attempt(seed, at)
        at += 1


def training_schedules(seed: int, first: int) -> Iterator[Case]:
    """Networks of every kind with random rates, optimisers and schedules: they learn, or end with a typed error."""
    at = first
    while True:
        yield at, _train(random.Random(f"{seed}.{at}"))
        at += 1


def _train(rng: random.Random) -> str:
    name = rng.choice([*EXAMPLES])
    use_device(rng.choice(["numpy", "simd"]))
    network = build_network_from_json(network_config(name), seed=rng.randrange(1000))
    numbers = np.random.default_rng(rng.randrange(1000))
    tokens = EXAMPLES[name].get("type") == "embedding"
    x = numbers.integers(0, TOKENS, (2, IN_SIZE)) if tokens else numbers.normal(size=(2, IN_SIZE))
    target = numbers.normal(size=network.forward(x).shape)
    batches = [{"inputs": x.tolist(), "targets": target.tolist()}]
    config = {
        "epochs": rng.choice([1, 3, 20]),
        "learning_rate": 10 ** rng.uniform(-6, 4),
        "gradient_clip": rng.choice([0.0, 1e-3, 1.0]),
        "optimizer": rng.choice(["sgd", "adamw", "rmsprop"]),
    }
    try:
        network.train(batches, config)
    except LoomError:
        return "diverged"
    except Exception as error:
        return f"{name} {config}: {type(error).__name__}: {error}"
    finally:
        use_device("numpy")
    finite = all(np.isfinite(a).all() for a in network.parameters.values())
    return "trained" if finite else f"{name} {config}: weights are not finite"


def suite(name: str, seed: int, first: int) -> Iterator[Case]:
    """Whole test files, once each a round, with another seed each time."""
    at = first
    while True:
        for file in SUITES[name]:
            how = ["--hypothesis-profile=campaign", f"--hypothesis-seed={seed + at}"]
            command = [sys.executable, "-m", "pytest", "-q", "-x", *how, file]
            ran = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, check=False)
            yield at, "passed" if ran.returncode == 0 else f"{' '.join(command[1:])}\n{ran.stdout[-2000:]}"
        at += 1


PARTS = {
    "programs": mutated_programs,
    "tokenizers": hostile_tokenizers,
    "texts": tokenizer_kinds,
    "training": training_schedules,
    "hypothesis": lambda seed, first: suite("hypothesis", seed, first),
    "page": lambda seed, first: suite("page", seed, first),
}


@dataclass
class Report:
    """What a part has tried."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    faults: list[Case] = field(default_factory=list[Case])
    seconds: float = 0.0

    def add(self, case: Case) -> None:
        number, outcome = case
        good = outcome in GOOD
        self.outcomes[outcome if good else "FAULT"] += 1
        if not good:
            self.faults.append((number, outcome))

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common())
        return f"{self.outcomes.total():,} cases in {self.seconds:.0f} s: {counts or 'none'}"


def run(parts: list[str], minutes: float, seed: int, first: int, turn: float = 20.0) -> dict[str, Report]:
    """Parts take turns of `turn` seconds, and at least one case, until the time is up."""
    reports = {part: Report() for part in parts}
    running = {part: PARTS[part](seed, first) for part in parts}
    end = time.monotonic() + 60 * minutes
    while True:
        for part, cases in running.items():
            started = time.monotonic()
            while True:
                reports[part].add(next(cases))
                now = time.monotonic()
                if now - started >= turn or now >= end:
                    break
            reports[part].seconds += now - started
            print(f"{part}: {reports[part]}", flush=True)
        if time.monotonic() >= end:
            return reports


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="./build_pyodide.sh soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (10); every part runs once in any case")
    parser.add_argument("--seed", type=int, help="of all cases; drawn and printed if not given")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS], metavar="PART", help=", ".join(PARTS))
    args = parser.parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    print(f"seed {seed}, parts {', '.join(args.only)}", flush=True)
    reports = run(args.only, args.minutes, seed, args.first)
    print(f"\nsoak with seed {seed}")
    for part, report in reports.items():
        print(f"  {part:<12}{report}")
        for number, fault in report.faults:
            print(f"    --seed {seed} --only {part} --first {number} --minutes 0: {fault}")
    return int(any(report.faults for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
