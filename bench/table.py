"""The result as JSON rows and as the table of docs/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .cases import Case
from .contestants import BEFORE, EMBEDDERS, FORMATS
from .summary import Figures, limit, ratio

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
OURS = "LOOM"
WEIGHTS: Mapping[str, Sequence[str]] = {"training": ("",), "embedding": tuple(EMBEDDERS)}
"""Kind of case → the weights that its contestants hold; language models come in the formats that were chosen."""


def rows(
    program: Iterable[Case],
    times: Mapping[str, Mapping[str, Sequence[float]]],
    limits: Mapping[str, dict[str, float]],
    formats: Sequence[str],
    cores: int,
) -> list[dict[str, Any]]:
    """One record a row and format: the contestants' figures, LOOM's ratios and its share of the roofline.

    **Arguments:**

    - `times`: "row" or "row format" → contestant → milliseconds, one a round.
    - `limits`: threads → `pages/roofline.js`' figures.
    """
    records = []
    for case in program:
        for row in case.rows:
            for weights in WEIGHTS.get(case.kind, formats):
                key = f"{row.name} {weights}".strip()
                if key not in times:
                    continue
                record: dict[str, Any] = {"row": row.name, "title": row.title, "unit": row.unit, "weights": weights}
                record["contestants"] = {name: Figures.of(values).to_json() for name, values in times[key].items()}
                for name in filter(is_ours, times[key]):
                    if not on_gpu(name):
                        least, by = limit(case.work[key], limits[str(threads_of(name, cores))])
                        share = least / statistics.median(times[key][name])
                        record["contestants"][name] |= {"roofline": share, "limited_by": by}
                    record["contestants"][name]["faster_than"] = {
                        rival: ratio(values, times[key][name])
                        for rival, values in times[key].items()
                        if comparable(rival, name, cores)
                    }
                records.append(record)
    return records


def comparable(rival: str, name: str, cores: int) -> bool:
    """Another build of LOOM is compared with the same seat of this one, a rival with whatever has no fewer threads."""
    if rival.startswith(BEFORE):
        return rival == f"{BEFORE} {name}"
    return not is_ours(rival) and threads_of(rival, cores) <= threads_of(name, cores)


def is_ours(name: str) -> bool:
    return name.startswith(OURS)


def threads_of(name: str, cores: int) -> int:
    """Threads by the name's ending; a name without one means one thread. A GPU is measured against all cores."""
    return cores if f"×{cores}" in name or on_gpu(name) else 1


def on_gpu(name: str) -> bool:
    return "webgpu" in name


def speed(ms: float, unit: str) -> str:
    """A median for display: milliseconds, or tokens or texts per second."""
    value = 1000 / ms if unit.endswith("/s") else ms
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(figures: dict[str, Any], unit: str) -> str:
    """Median, and the range over the rounds, the slow end last."""
    low, high = (speed(figures[end], unit) for end in ("min", "max"))
    return f"{speed(figures['median'], unit)} ({low} … {high})"


def render(result: dict[str, Any]) -> str:
    """Markdown of everything that was measured."""
    machine = result["machine"]
    parts = [
        f"Measured on {result['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"Chromium {machine['chromium']}; "
        + ", ".join(f"{name} {version}" for name, version in result["packages"].items())
        + f". Medians of {result['rounds']} rounds, in brackets the best and the worst."
    ]
    plain = [r for r in result["rows"] if not r["weights"]]
    if plain:
        parts += ["### Training, milliseconds", _figures(plain)]
    for weights in FORMATS:
        chosen = [r for r in result["rows"] if r["weights"] == weights]
        if chosen:
            parts += [f"### SmolLM2-135M, {FORMATS[weights]}, tokens a second", _figures(chosen)]
    for weights, name in EMBEDDERS.items():
        chosen = [r for r in result["rows"] if r["weights"] == weights]
        if chosen:
            parts += [f"### {name}, float32, texts a second", _figures(chosen)]
    if result["texts"]:
        parts.append(agreement(result["texts"]))
    against = _against(result["rows"])
    if against:
        parts += ["### LOOM against the best rival, thread for thread", against]
    parts += ["### What this machine's WebAssembly can do", _limits(result["limits"])]
    if result["left_out"]:
        parts += ["Left out:", "\n".join(f"- {name}: {reason}" for name, reason in result["left_out"].items())]
    return "\n\n".join(parts)


def agreement(texts: Mapping[str, Mapping[str, str]]) -> str:
    """A sentence on whether all contestants wrote the same text with the same weights, greedily."""
    odd = []
    for key, written in texts.items():
        first = next(iter(written.values()))
        odd += [
            f"{name} ({key.split()[-1]}, context {key.split()[0][6:]})"
            for name, text in written.items()
            if text != first
        ]
    same = "All contestants wrote the same text with the same weights"
    return f"{same}." if not odd else f"{same}, except " + ", ".join(odd) + "."


def _markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(line) + " |" for line in body])


def _figures(chosen: list[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for row in chosen for name in row["contestants"])
    body = []
    for name in names:
        records = [row["contestants"].get(name) for row in chosen]
        body.append([name, *(cell(f, row["unit"]) if f else "–" for f, row in zip(records, chosen, strict=True))])
    return _markdown(["", *(row["title"] for row in chosen)], body)


def _against(records: list[dict[str, Any]]) -> str:
    """A line for each of LOOM's figures that has a rival: the best one on the same file, the best one on any."""
    body, names = [], FORMATS | EMBEDDERS
    for row in records:
        for name, figures in row["contestants"].items():
            ratios = figures.get("faster_than")
            if not ratios:
                continue
            rival = min(ratios, key=lambda r: ratios[r])
            anywhere = [
                r["contestants"][rival]["median"]
                for r in records
                if r["row"] == row["row"] and rival in r["contestants"]
            ]
            best = min(anywhere) / figures["median"]
            title = f"{row['title']}, {names[row['weights']]}" if row["weights"] else row["title"]
            share = f"{100 * figures['roofline']:.1f} % ({figures['limited_by']})" if "roofline" in figures else ""
            body.append(
                [title, name, rival, f"{ratios[rival]:.2f} ×", f"{best:.2f} ×" if row["weights"] else "", share]
            )
    head = ["", "LOOM", "best rival", "times as fast", "as with its best format", "of the roofline"]
    return _markdown(head, body) if body else ""


def _limits(limits: Mapping[str, dict[str, float]]) -> str:
    kernels = {"read": "reading memory, GB/s", "madd": "float32 multiply-adds, Gop/s", "dot": "int8 products, Gop/s"}
    head = ["", *(f"{build}, {n} thread{'s' * (int(n) > 1)}" for n in limits for build in ("SIMD", "relaxed SIMD"))]
    body = []
    for kernel, title in kernels.items():
        values = [limits[n][f"{kernel} {build}"] for n in limits for build in ("plain", "relaxed")]
        body.append([title, *(f"{value / 1e9:.1f}" for value in values)])
    return _markdown(head, body)


def replace_section(page: str, text: str) -> str:
    """The page with the text between the two marks replaced. Raises `ValueError` without them once, in order."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs one {BEGIN} and after it one {END}")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"
