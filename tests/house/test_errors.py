"""Error wording, over every place in the package that raises one; the rules are in CONTRIBUTING.md.

Messages and remedies are read from the source (`ast`): values inserted at run time appear as `{}`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loom_py import errors
from tools import paths

PACKAGE = paths.REPOSITORY / "loom_py"
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type)} | {"TraceError"}
HELPERS = {"error", "_error", "fail", "refuse"}  # methods that add the place to a message and its remedy

# Strings that the original's callers compare with, verbatim.
ORIGINAL = (
    "Expected {} parameters, got {}",
    "Expected 1 to 4 parameters, got {}",
    "Invalid JSON input: ",
    "Empty input after tokenization",
    "Tokenizer not loaded",
    "Model not loaded",
)
# A message that begins like this needs its place.
PREDICATE = re.compile(r"(is|are|was|has|holds|gave|must|needs|takes|expected|missing|cannot)\b(?! missing)")
# Words that do not help the reader of an error, or are not the field's terms.
FORBIDDEN = re.compile(
    r"not known here|of the beginning|opened anew|comes to|\btold\b|\bnought\b|tells of|goes on|cannot be known|"
    r"is not there\b|values come|classes come|of its own|wish"
)
NEEDS_REMEDY = re.compile(r"unknown |.* is not installed|.*needs the package|.* not initialised")


@dataclass(frozen=True)
class Site:
    """One place that raises: its texts, None for a text that is not a literal there."""

    place: str
    message: str | None
    remedy: str | None
    has_where: bool
    has_remedy: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.message!r}" + (f" [{self.remedy}]" if self.remedy else "")


def texts(node: ast.expr | None) -> list[str]:
    """The texts an expression can have: one for a literal, both of a conditional, none for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts)]
        case ast.IfExp(body=body, orelse=orelse):
            return texts(body) + texts(orelse)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in texts(left) or ["{}"] for b in texts(right) or ["{}"]]
        case _:
            return []


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def sites() -> Iterator[Site]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from sites_of(node, f"{path.relative_to(paths.REPOSITORY)}:{node.lineno}")


def sites_of(node: ast.Call, place: str) -> Iterator[Site]:
    if called(node) in CLASSES:
        named = {k.arg: k.value for k in node.keywords}
        remedies = texts(named.get("remedy")) or [None]
        for message in texts(node.args[0] if node.args else None) or [None]:
            for remedy in remedies:
                yield Site(place, message, remedy, "where" in named, "remedy" in named)
    elif called(node) in HELPERS:
        # The position of each text differs between helpers; a remedy is the one that begins like a sentence.
        for argument in (*node.args, *(k.value for k in node.keywords)):
            for text in texts(argument):
                if " " in text and text[0].isupper() and text.endswith("."):
                    yield Site(place, None, text, True, True)
                elif " " in text:
                    yield Site(place, text, None, True, True)


def begins_a_sentence(text: str) -> bool:
    """Whether the first word is capitalised without being a name: GPU, Jinja2, NaN and PyTorch are names."""
    word = re.match(r"[A-Z][a-z]+\b", text)
    return word is not None and word[0] not in {"Python", "Dask", "Ray"}


def fault(site: Site) -> str:
    """What is wrong with a site; empty if nothing is."""
    message, remedy = site.message, site.remedy
    if message is not None and not message.startswith(ORIGINAL):
        if not message.strip() or message != message.strip():
            return "the message is empty or padded"
        if message.endswith((".", "!", "?", ":")):
            return "the message ends with a stop; LoomError adds it"
        if begins_a_sentence(message):
            return "the message begins with a capital"
        if PREDICATE.match(message) and not site.has_where:
            return "the message begins with a predicate, so it needs `where` as its subject"
        if NEEDS_REMEDY.match(message) and not site.has_remedy:
            return "there is something to do about it: give a remedy"
    if remedy is not None:
        if not remedy.endswith("."):
            return "the remedy does not end with a full stop"
        if not re.match(r"[A-Z{'«\"`]", remedy):
            return "the remedy does not begin with a capital"
    for text in (message, remedy):
        if text is not None and (word := FORBIDDEN.search(text)):
            return f"«{word[0]}» is not how we say it"
    return ""


ALL = list(sites())


def test_the_whole_package_is_read() -> None:
    assert len(ALL) > 500
    assert len({site.place.split(":")[0] for site in ALL}) > 80


def test_every_error_is_worded_as_agreed() -> None:
    faults = [f"{site}\n    {text}" for site in ALL if (text := fault(site))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("InputError('the batch is empty', where='batches', remedy='Give at least one sample.')", ""),
        ("InputError('is empty', where='batches')", ""),
        ("InputError('is empty')", "needs `where`"),
        ("InputError('The batch is empty.')", "ends with a stop"),
        ("InputError('The batch is empty')", "begins with a capital"),
        ("InputError('GPU memory is full')", ""),
        ("InputError(f'unknown mode {mode}', where='mode')", "give a remedy"),
        ("InputError('the batch is empty', remedy='give a sample.')", "begin with a capital"),
        ("InputError('the batch is empty', remedy='Give a sample')", "full stop"),
        ("InputError('missing: the input size is not known here', where='x')", "how we say it"),
        ("fields.error(f'{n} heads do not divide {width}.')", "full stop|with a stop|capital"),
        ("self.fail('Too long')", "begins with a capital"),
    ],
)
def test_each_rule_finds_what_it_forbids(source: str, expected: str) -> None:
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)
    faults = [f for site in sites_of(call, "here") if (f := fault(site))]
    assert bool(faults) == bool(expected), faults
    assert all(re.search(expected, f) for f in faults)


def test_the_place_and_the_remedy_frame_the_message() -> None:
    error = errors.InputError("is empty", where="batches", remedy="Give at least one sample.")
    assert str(error) == "batches: is empty. Give at least one sample."
    assert Path(errors.__file__ or "").is_relative_to(PACKAGE)
