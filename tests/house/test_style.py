"""Rules of style that a program can check: file length, plain names, no unexplained escape from the types.

Exceptions are listed here by name. The lists only get shorter.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from tools import paths

ROOT = paths.REPOSITORY
MAX_LINES = 400
SUFFIXES = {".py", ".js", ".mjs", ".ts", ".css", ".html", ".jinja", ".c", ".h", ".wgsl", ".sh"}
FOLDERS = ("bench", "examples", "loom_py", "simd", "tests", "tools", "web", "wgsl")
# Generated files, recorded data and other people's work.
EXCLUDED = (
    "bench/rivals/node_modules/",
    "bench/results/",
    "tests/data/",
    "web/loom.d.ts",
    "loom_py/text/unicode_tables.py",
)
TOO_LONG: set[str] = set()

# Names that do not say what they hold: pronouns and participles.
PRONOUN = re.compile(r"_?(told|made|found|known|wishes|spent|surely|there|comes|somebody|nobody)", re.IGNORECASE)
PRONOUNS_LEFT: set[str] = set()

ESCAPE = re.compile(r"# *type: *ignore|(?<![.\w])cast\(\"")
# file: number without a reason
ESCAPES_LEFT: dict[str, int] = {}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def source_files(*suffixes: str) -> list[Path]:
    files = (p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*")) if p.suffix in suffixes)
    return [p for p in files if not relative(p).startswith(EXCLUDED) and "node_modules" not in p.parts]


def package_files(*folders: str) -> list[Path]:
    """The Python files of some folders."""
    return [p for p in source_files(".py") if p.relative_to(ROOT).parts[0] in folders]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lines = {relative(p): len(p.read_text(encoding="utf-8").splitlines()) for p in source_files(*SUFFIXES)}
    assert len(lines) > 300
    long = {name for name, count in lines.items() if count > MAX_LINES}
    assert not long - TOO_LONG, f"over {MAX_LINES} lines: " + ", ".join(
        f"{n} ({lines[n]})" for n in sorted(long - TOO_LONG)
    )


def test_types_are_not_escaped_without_a_reason() -> None:
    """`type: ignore` and `cast("…")` stand beside a comment that says why, on their line or the one before."""
    bare: list[str] = []
    for path in package_files("loom_py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for i, line in enumerate(lines):
            if ESCAPE.search(line):
                reason = re.sub(r"# *type: *ignore(\[[\w, -]*\])?", "", line)
                if "#" not in reason and not (i and lines[i - 1].lstrip().startswith("#")):
                    bare.append(f"{relative(path)}:{i + 1}")
    counts = Counter(place.rsplit(":", 1)[0] for place in bare)
    more = [place for place in bare if counts[place.rsplit(":", 1)[0]] > ESCAPES_LEFT.get(place.rsplit(":", 1)[0], 0)]
    assert not more, "\n".join(more)


def identifiers(tree: ast.AST) -> set[str]:
    """Every name that a file defines: functions, classes, arguments, variables, attributes of self."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return names


def test_names_are_nouns_and_verbs() -> None:
    pronouns = {
        f"{relative(path)}: {name}"
        for path in package_files("bench", "examples", "loom_py", "tests", "tools")
        for name in identifiers(ast.parse(path.read_text(encoding="utf-8")))
        if PRONOUN.fullmatch(name)
    }
    assert not pronouns - PRONOUNS_LEFT, "\n".join(sorted(pronouns - PRONOUNS_LEFT))


def private_uses(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, text) of private names of other modules: those imported, and attributes that this file does not define."""
    own = identifiers(tree)
    uses: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(level=level, names=names) if level:
                uses += [(node.lineno, a.name) for a in names if re.match(r"_[a-z]", a.name)]
            case (
                ast.Attribute(value=ast.Name(id="self" | "cls")) | ast.Attribute(value=ast.Call(func=ast.Name("super")))
            ):
                pass  # inherited
            case ast.Attribute(attr=name) if re.match(r"_[a-z]", name) and name not in own | {"_asdict", "_replace"}:
                uses.append((node.lineno, ast.unparse(node)))
            case _:
                pass
    return uses


def test_private_names_stay_in_their_module() -> None:
    files = package_files("loom_py")
    uses = [(p, *use) for p in files for use in private_uses(ast.parse(p.read_text(encoding="utf-8")))]
    assert not uses, "\n".join(f"{relative(p)}:{line}: {text}" for p, line, text in uses)


def test_the_rules_find_what_they_forbid() -> None:
    assert ESCAPE.search("x = f()  # type: ignore[arg-type]")
    assert ESCAPE.search('return cast("Network", grid)')
    assert not ESCAPE.search("cast(float, x)")
    assert {n for n in identifiers(ast.parse("def f(told):\n    self._made = wishes = 1")) if PRONOUN.fullmatch(n)} == {
        "told",
        "_made",
        "wishes",
    }
    outside = "from .a import _b\nself._c = 1\nd._c, d._e, self._f, super()._g"
    assert [text for _, text in private_uses(ast.parse(outside))] == ["_b", "d._e"]
