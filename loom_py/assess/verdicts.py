"""Who wins a test by epochs: tweening or backpropagation, after the same samples and as many updates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .claims import WINNERS
from .statistics import Summary, paired

MARGIN = 5.0
"""Points of accuracy by which the original calls it a win."""
TWEENING = ("Tween", "TweenChain", "PrunedTween")
BACKPROPAGATION = ("SampleBP", "EqualBP")
CHANCE = ("Commonest", "Random")


@dataclass(frozen=True)
class Verdict:
    """The best method of each side by the mean on held-out samples, and the difference of accuracy seed by seed.

    `winner` is `"tweening"` or `"backpropagation"` if the difference is above the margin and above two standard errors,
    `"unclear"` if above the margin alone, else `"tie"`; `"neither learns"` if both are within the margin of naming
    the commonest class. `claimed` is the original's, which calls that a tie too; empty where it does not say.
    """

    model: str
    tweening: str
    backpropagation: str
    difference: Summary
    winner: str
    claimed: str


def verdicts(experiment: dict[str, Any]) -> list[Verdict]:
    """One for each network that both sides have trained; both choose among two rules or rates, after the fact."""
    results: list[Verdict] = []
    for model in dict.fromkeys(row["model"] for row in experiment["rows"]):
        rows = {row["method"]: row for row in experiment["rows"] if row["model"] == model}
        ours = [rows[name] for name in TWEENING if name in rows]
        theirs = [rows[name] for name in BACKPROPAGATION if name in rows]
        if not ours or not theirs:
            continue
        a, b = (max(side, key=lambda row: row["held_out"]["mean"]) for side in (ours, theirs))
        difference = paired(a["fresh"], b["fresh"])
        chance = max((rows[name]["held_out"]["mean"] for name in CHANCE if name in rows), default=0.0)
        if max(a["held_out"]["mean"], b["held_out"]["mean"]) <= chance + MARGIN:
            winner = "neither learns"
        else:
            winner = _winner(difference)
        claimed = WINNERS.get(experiment["number"], {}).get(model, "")
        results.append(Verdict(model, a["method"], b["method"], difference, winner, claimed))
    return results


def _winner(difference: Summary) -> str:
    """By mean difference; its standard error is deviation/√runs."""
    size = abs(difference.mean)
    if size <= MARGIN:
        return "tie"
    if size <= 2 * difference.deviation / math.sqrt(difference.count):
        return "unclear"
    return "tweening" if difference.mean > 0 else "backpropagation"
