"""The part of Oniguruma's regex syntax that tokenizer files use, parsed into a small tree.

`tokenizers` runs its patterns on Oniguruma with Ruby syntax. Read here are literals and escapes, `\\p{…}` (categories
and a few scripts), classes with ranges, negation, nesting and `&&`, groups (plain, `?:`, `?>`, `?i:`, look-around),
alternation, anchors, and greedy, lazy and possessive repeats. Anything else is refused by name, never guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import unicode_tables as tables
from .codeset import EMPTY, EVERYTHING, LIMIT, CodeSet

MAX_PATTERN = 8192
MAX_REPEAT = 1000
MAX_NESTING = 32

_DIGIT = "0123456789"
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
# Pairs of letters that Oniguruma also matches with one character (ß, ﬁ, …) when case does not matter.
_FOLDING_PAIRS = ("ss", "st", "ff", "fi", "fl")


class PatternError(Exception):
    """A pattern that cannot be read. The caller raises a `TokenizerError` with the JSON path from it."""


@dataclass(frozen=True)
class One:
    """Any one character of a set."""

    chars: CodeSet


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """Alternatives; the first that leads to a match wins."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """`low` to `high` times (`None`: no limit); `mode` is `""` greedy, `"?"` lazy or `"+"` possessive."""

    item: Node
    low: int
    high: int | None
    mode: str


@dataclass(frozen=True)
class Atomic:
    item: Node


@dataclass(frozen=True)
class Look:
    """Look-around that consumes nothing."""

    item: Node
    behind: bool
    negative: bool


@dataclass(frozen=True)
class Anchor:
    """`^`, `$`, `A`, `Z`, `z`, `b` or `B`."""

    kind: str


Node = One | Sequence | Choice | Repeat | Atomic | Look | Anchor


def parse(pattern: str) -> Node:
    """The tree of a pattern. Raises `PatternError`."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern has {len(pattern)} characters, more than {MAX_PATTERN}")
    parser = _Parser(pattern)
    node = parser.choice()
    if parser.at < len(pattern):
        raise PatternError(f"unmatched ')' at character {parser.at}")
    return node


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.ignore_case = False
        self.depth = 0

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.peek(text):
            self.at += len(text)
            return True
        return False

    def next(self) -> str:
        if self.at >= len(self.pattern):
            raise PatternError("the pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def refuse(self, what: str) -> PatternError:
        return PatternError(f"{what} is not supported (character {self.at})")

    def choice(self) -> Node:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise PatternError(f"groups are nested more than {MAX_NESTING} deep")
        ignore_case = self.ignore_case
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        self.ignore_case = ignore_case
        self.depth -= 1
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        items: list[Node] = []
        literal = ""  # letters so far without a gap: a folding can join two of them
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            start = self.at
            item = self.repeated()
            if item is None:
                continue
            char = self.pattern[start : self.at].lower()
            literal = literal + char if len(char) == 1 else ""
            if self.ignore_case and literal[-2:] in _FOLDING_PAIRS:
                raise self.refuse(f"'{literal[-2:]}' without regard to case")
            items.append(item)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def repeated(self) -> Node | None:
        item = self.atom()
        stacked = 0
        while item is not None and self.at < len(self.pattern):
            bounds = self.bounds()
            if bounds is None:
                break
            stacked += 1
            if stacked > 4:
                raise PatternError("more than four repeats are stacked on each other")
            low, high, interval = bounds
            if isinstance(item, Anchor | Look):
                raise self.refuse("repeating an anchor or look-around")
            mode = ""
            if self.peek("?") and interval and low == high:
                raise self.refuse("'{n}?'")
            if self.take("?"):
                mode = "?"
            elif not interval and self.take("+"):  # after an interval, Ruby reads + as another repeat
                mode = "+"
            if isinstance(item, Repeat) and isinstance(item.item, One) and (item.low, low, high) == (1, 1, None):
                item = item.item  # (x{1,3})+ is x+
            item = Repeat(item, low, high, mode)
        return item

    def bounds(self) -> tuple[int, int | None, bool] | None:
        for sign, low, high in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self.take(sign):
                return low, high, False
        if not self.peek("{"):
            return None
        end = self.pattern.find("}", self.at)
        low_text, comma, high_text = self.pattern[self.at + 1 : max(end, 0)].partition(",")
        numeric = all(set(part) <= set(_DIGIT) and len(part) < 6 for part in (low_text, high_text))
        if end < 0 or not numeric or not (low_text or high_text):
            return None  # a brace that is no interval stands for itself
        low = int(low_text or 0)
        high = (int(high_text) if high_text else None) if comma else low
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or high < low)):
            raise PatternError(f"the repeat {self.pattern[self.at : end + 1]} is out of range")
        self.at = end + 1
        return low, high, True

    def atom(self) -> Node | None:
        char = self.next()
        if char == "(":
            return self.group()
        if char == "[":
            return One(self.char_class())
        if char == "\\":
            return self.escape()
        if char == ".":
            return One(EVERYTHING - CodeSet.of("\n"))
        if char in "^$":
            return Anchor(char)
        if char in "*+?":
            raise PatternError(f"nothing to repeat before '{char}' (character {self.at - 1})")
        return One(self.fold(CodeSet.of(char)))

    def group(self) -> Node | None:
        ignore_case = self.ignore_case
        kinds = {"?=": (False, False), "?!": (False, True), "?<=": (True, False), "?<!": (True, True)}
        look = next((kinds[k] for k in ("?<=", "?<!", "?=", "?!") if self.take(k)), None)
        atomic = look is None and self.take("?>")
        if look is None and not atomic and self.take("?"):
            if self.peek("<") or self.peek("P") or self.peek("#") or self.peek("("):
                raise self.refuse(f"the group '(?{self.pattern[self.at]}'")
            flags = ""
            while not (self.peek(":") or self.peek(")")):
                flags += self.next()
            if flags not in ("", "i", "-i"):
                raise self.refuse(f"the option '(?{flags[:8]}'")
            self.ignore_case = flags == "i" if flags else ignore_case
            if self.take(")"):
                if self.at != len(flags) + 3:
                    raise self.refuse("an option in the middle of a pattern")
                return None  # in force until the end of the group, where `choice` resets it
            self.at += 1
        inner = self.choice()
        if not self.take(")"):
            raise PatternError("a group is not closed")
        self.ignore_case = ignore_case
        if look is not None:
            return Look(inner, *look)
        return Atomic(inner) if atomic else inner

    def escape(self) -> Node:
        char = self.next()
        if char in "AZzbB":
            return Anchor(char)
        chars = self.escaped(char)
        if chars is not None:
            return One(chars if char in "pPdDsSwWhH" else self.fold(chars))
        raise self.refuse(f"'\\{char}'")

    def escaped(self, char: str) -> CodeSet | None:
        """The set of `\\char`, inside a class or outside."""
        shorthand = {"d": "onig_digit", "s": "onig_space", "w": "onig_word"}.get(char.lower())
        if shorthand:
            chars = tables.named_set(shorthand)
            return ~chars if char.isupper() else chars
        if char in "hH":
            digits = CodeSet.union(CodeSet.span(48, 57), CodeSet.span(65, 70), CodeSet.span(97, 102))
            return ~digits if char == "H" else digits
        if char in "pP":
            return self.property(char == "P")
        if char in _CONTROLS:
            return CodeSet.of(_CONTROLS[char])
        if char in "xu":
            return self.code_point(char)
        if char == "0":
            return CodeSet.of("\0")
        return None if char.isalnum() else CodeSet.of(char)

    def property(self, negated: bool) -> CodeSet:
        end = self.pattern.find("}", self.at)
        if not self.take("{") or end < 0:
            raise self.refuse("\\p without braces")
        name = self.pattern[self.at : end]
        self.at = end + 1
        if name.startswith("^"):
            name, negated = name[1:], not negated
        try:
            chars = tables.property_set(name)
        except KeyError:
            raise self.refuse(f"the property '{name[:40]}'") from None
        if self.ignore_case and chars & tables.category("L") not in (EMPTY, tables.category("L")):
            raise self.refuse(f"the property '{name[:40]}' without regard to case")
        return ~chars if negated else chars

    def code_point(self, kind: str) -> CodeSet:
        if kind == "x" and self.take("{"):
            digits = self.pattern[self.at : self.pattern.find("}", self.at)]
            self.at += len(digits) + 1
        else:
            digits = self.pattern[self.at : self.at + (2 if kind == "x" else 4)]
            self.at += len(digits)
            if len(digits) != (2 if kind == "x" else 4) or (kind == "x" and digits[0] not in "01234567"):
                raise self.refuse(f"'\\{kind}{digits}'")  # \x80 and above are bytes, not characters
        if not digits or len(digits) > 6 or not set(digits.lower()) <= set(_DIGIT + "abcdef"):
            raise self.refuse(f"'\\{kind}{digits[:12]}'")
        value = int(digits, 16)
        if value >= LIMIT or 0xD800 <= value < 0xE000:
            raise self.refuse(f"the code point {digits}")
        return CodeSet((value, value + 1))

    def char_class(self) -> CodeSet:
        """The set of a class; the opening bracket has been read."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise PatternError(f"classes are nested more than {MAX_NESTING} deep")
        negated = self.take("^")
        terms: list[CodeSet] = []
        parts: list[CodeSet] = []
        first = True
        while first or not self.peek("]"):
            if self.take("&&"):
                terms.append(CodeSet.union(*parts))
                parts, first = [], False
                continue
            if self.peek("[:"):
                raise self.refuse("a POSIX class")
            parts.append(self.class_item())
            first = False
        self.at += 1
        chars = CodeSet.union(*parts)
        for term in terms:
            chars = chars & term
        self.depth -= 1
        chars = self.fold(chars)
        return ~chars if negated else chars

    def class_item(self) -> CodeSet:
        char = self.next()
        if char == "[":
            return self.char_class()
        low = self.escaped(self.next()) if char == "\\" else CodeSet.of(char)
        if low is None:
            raise self.refuse(f"'\\{self.pattern[self.at - 1]}' in a class")
        several = len(low.edges) != 2 or low.edges[1] != low.edges[0] + 1
        if several or not self.peek("-") or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return low  # after a whole class such as \w, a hyphen stands for itself
        self.at += 1
        char = self.next()
        high = self.escaped(self.next()) if char == "\\" else None if char == "[" else CodeSet.of(char)
        if high is None or len(high.edges) != 2 or high.edges[1] != high.edges[0] + 1 or high.edges < low.edges:
            raise self.refuse("this range in a class")
        return CodeSet((low.edges[0], high.edges[1]))

    def fold(self, chars: CodeSet) -> CodeSet:
        """With both cases while `(?i` is on. Only ASCII letters, and classes that hold all letters, fold safely."""
        if not self.ignore_case:
            return chars
        letters = tables.category("L")
        beyond = (chars & letters) - CodeSet.span(0, 127)
        if beyond and chars & letters != letters:
            raise self.refuse("letters beyond ASCII without regard to case")
        folded = [chars]
        for lower in "abcdefghijklmnopqrstuvwxyz":
            same = CodeSet.of(lower, lower.upper(), *{"s": "\u017f", "k": "\u212a"}.get(lower, ""))
            if chars & same:
                folded.append(same)
        return CodeSet.union(*folded)
