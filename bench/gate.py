"""A gate against lost speed: `./build_pyodide.sh bench --quick --against FILE`, FILE the JSON of an earlier run.

Machines differ from day to day, so milliseconds are never compared between runs. What is compared is how many times
faster than its rivals LOOM was in either run, each measured side by side: if that falls, LOOM has become slower.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.console import Failure

TOLERANCE = 0.15
"""What a ratio may lose: two quick rounds scatter by about that on a machine that others use too."""
ONE_INSTRUCTION = 3.0
"""Relaxed products of bytes beside plain ones, by speed: where it is more, the CPU has one instruction for them."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One of LOOM's figures in two runs.

    - `by`: its ratios to the rivals now over those before, the geometric mean of the rivals that are in both runs.
    """

    figure: str
    by: float

    @property
    def lost(self) -> bool:
        return self.by < 1 - TOLERANCE


def read(path: Path) -> Result:
    """An earlier result. Raises `Failure` for a file that is none."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(result["rows"], list) and result["limits"]["1"]["dot plain"]:
            return result
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise Failure(f"{path} holds no result of the bench; --output FILE or bench/results/rivals.json is one.")


def cpu_class(result: Result) -> str:
    """What decides how fast quantised products are."""
    limits = result["limits"]["1"]
    fast = limits["dot relaxed"] > ONE_INSTRUCTION * limits["dot plain"]
    return f"a CPU with{'' if fast else 'out'} an instruction for products of bytes"


def changes(now: Result, before: Result) -> list[Change]:
    """LOOM's figures that both runs have, beside rivals that both have.

    Raises `Failure` where there are none, or the runs are of CPUs of two classes.
    """
    if cpu_class(now) != cpu_class(before):
        raise Failure(f"This is {cpu_class(now)}, the file is of {cpu_class(before)}; their ratios differ.")
    earlier = {(row["row"], row["weights"]): row["contestants"] for row in before["rows"]}
    compared: list[Change] = []
    for row in now["rows"]:
        for name, figures in row["contestants"].items():
            old = earlier.get((row["row"], row["weights"]), {}).get(name, {}).get("faster_than", {})
            ratios = [ratio / old[rival] for rival, ratio in figures.get("faster_than", {}).items() if rival in old]
            if ratios:
                mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
                compared.append(Change(f"{row['title']} {row['weights']}".strip() + f", {name}", mean))
    if not compared:
        raise Failure("The two runs have no figure of LOOM beside the same rival.")
    return compared


def render(compared: Sequence[Change]) -> str:
    """A line a figure, the worst first."""
    ordered = sorted(compared, key=lambda change: change.by)
    return "\n".join(f"{change.by:6.2f} ×  {change.figure}{'  LOST' if change.lost else ''}" for change in ordered)


def require(compared: Sequence[Change]) -> None:
    """Raises `Failure` if a figure has lost more than the tolerance."""
    lost = [change.figure for change in compared if change.lost]
    if lost:
        raise Failure(
            f"{len(lost)} of {len(compared)} figures lost more than {TOLERANCE:.0%} of their lead over the rivals: "
            f"{'; '.join(lost)}. Measure these again with --only and more --runs before you look for the cause."
        )
