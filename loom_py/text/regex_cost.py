"""What a pattern may cost: refused where backtracking could explode, and priced for a text before it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from .codeset import CodeSet
from .regex_syntax import Anchor, Atomic, Choice, Look, Node, One, PatternError, Repeat, Sequence
from .unicode_tables import named_set

NEWLINE = CodeSet.of("\n")
MAX_WAYS = 2_000
_MANY = 16
"""A bounded repeat of more than these is priced as an unbounded one."""
_GROUP, _ANCHOR = 8, 4
"""How much slower a repeat is where a group is repeated, or where an anchor is tried after each step."""


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Sequence(items):
            return items
        case Choice(options):
            return options
        case Repeat(item) | Atomic(item) | Look(item):
            return (item,)
    return ()


def sets(node: Node) -> Iterator[CodeSet]:
    if isinstance(node, One):
        yield node.chars
    elif isinstance(node, Anchor):
        yield from (NEWLINE, named_set("onig_word"))
    for child in children(node):
        yield from sets(child)


def nullable(node: Node) -> bool:
    match node:
        case One():
            return False
        case Sequence(items):
            return all(map(nullable, items))
        case Choice(options):
            return any(map(nullable, options))
        case Repeat(item, low):
            return low == 0 or nullable(item)
        case Atomic(item):
            return nullable(item)
    return True


def _first(node: Node) -> CodeSet | None:
    """The characters a match can begin with; `None` where that is not obvious."""
    match node:
        case One(chars):
            return chars
        case Sequence((head, *_)):
            return _first(head)
        case Repeat(item, low) if low > 0:
            return _first(item)
    return None


def _can_fail(node: Node) -> bool:
    """Whether there are places where `node` does not match."""
    match node:
        case Sequence(items):
            return any(map(_can_fail, items))
        case Choice(options):
            return all(map(_can_fail, options))
        case Repeat(item, low):
            return low > 0 and _can_fail(item)
        case Atomic(item):
            return _can_fail(item)
    return True


def _loops(node: Node) -> Iterator[tuple[CodeSet, bool]]:
    """The unbounded repeats that can backtrack: the characters each matches, and whether it may have to backtrack.

    It must when something after it in `node` fails.
    """
    if isinstance(node, Repeat) and node.high is None and node.mode != "+":
        yield CodeSet.union(*sets(node)), False
    if isinstance(node, Atomic | Look):
        return
    inside = children(node)
    for i, child in enumerate(inside):
        fails_behind = isinstance(node, Sequence) and any(map(_can_fail, inside[i + 1 :]))
        yield from ((taken, retried or fails_behind) for taken, retried in _loops(child))


def check_cost(node: Node) -> float:
    """Refuse patterns whose backtracking could explode: a file must not be able to hang the page.

    Returns a bound on the number of ways in which `node` can match at one place, each unbounded repeat counted
    once. Raises `PatternError` for more than 10 000, for an ambiguous item in an unbounded repeat (`(a+)+`), and for
    two such repeats in a row that can take the same character and are both retried when what follows fails (`a*a*b`):
    a run of n characters would cost n² at each of its places. Real patterns hold `\\s*[\\r\\n]+`, where only the first
    is retried.
    """
    costs = [check_cost(child) for child in children(node)]
    ways = 1.0
    match node:
        case Sequence():
            ways = math.prod(costs)
            retried = [taken for taken, again in _loops(node) if again]
            if any(taken & other for taken, other in combinations(retried, 2)):
                raise PatternError("too many unbounded repeats in a row could take forever")
        case Choice(options):
            firsts = [_first(option) for option in options]
            apart = all(a is not None and b is not None and not a & b for a, b in combinations(firsts, 2))
            ways = max(costs) if apart else sum(costs)
        case Repeat(item, low, high, mode):
            ambiguous = costs[0] > 1 or nullable(item) or any(_loops(item))
            if ambiguous and (high is None or high > 16):
                raise PatternError("an unbounded repeat of something that can match in several ways")
            ways = 1.0 if high is None else costs[0] ** high * (high - low + 1)
            ways = 1.0 if mode == "+" else ways
    if ways > MAX_WAYS:
        raise PatternError("the pattern can match in too many ways")
    return 1.0 if isinstance(node, Atomic | Look) else ways


def retries(node: Node) -> dict[CodeSet, float]:
    """The characters of repeats that may be retried → how often a run of n of them is gone through n² / 2 times.

    A repeat is retried where something after it can fail, and all over again at every place of a lookaround. Runs that
    the pattern takes in a few matches are left out.
    """
    weights: dict[CodeSet, float] = {}
    for chars, weight in _retried(node, False):
        weights[chars] = weights.get(chars, 0) + weight
    return {chars: weight for chars, weight in weights.items() if not _takes_runs(node, chars)}


def _takes_runs(node: Node, chars: CodeSet) -> bool:
    """Whether a run of `chars` is taken in a few matches, wherever one begins in it.

    So it is where one option of a choice takes the rest of a run, `\\s+` or `\\s+(?!\\S)` for example, and each option
    before it either needs another character, or takes the run up to the last place where it can: `\\s*[\\r\\n]+`.
    """
    for option in node.options if isinstance(node, Choice) else (node,):
        if _needs_other(option, chars) and _is_simple(option):
            continue
        match _reach(option, chars):
            case "end":
                return True
            case "last":
                continue
            case _:
                return False
    return False


def _is_simple(node: Node) -> bool:
    """Whether `node` holds nothing but characters, repeats of one, and short repeats of such."""
    match node:
        case One():
            return True
        case Repeat(item, _, high, _):
            return isinstance(item, One) or (high is not None and high <= _MANY and _is_simple(item))
        case Sequence() | Choice():
            return all(map(_is_simple, children(node)))
    return False


def _needs_other(node: Node, chars: CodeSet) -> bool:
    """Whether every match of `node` holds a character that is not among `chars`."""
    match node:
        case One(own):
            return not own & chars
        case Sequence(items):
            return any(_needs_other(item, chars) for item in items)
        case Choice(options):
            return all(_needs_other(option, chars) for option in options)
        case Repeat(item, low):
            return low > 0 and _needs_other(item, chars)
    return False


def _reach(node: Node, chars: CodeSet) -> str:
    """How far a match of `node` goes in a run of `chars`: to its `end`, to the `last` place that fits, or neither."""
    items = node.items if isinstance(node, Sequence) else (node,)
    while items and isinstance(items[0], Repeat) and isinstance(items[0].item, One) and items[0].high == 1:
        items = items[1:]
    match items:
        case (Repeat(One(own), low, None, ""), *rest) if low <= 1 and own & chars == chars:
            pass
        case _:
            return ""
    match rest:
        case [Look(One(other), False, True)] if not other & chars:
            return "end"  # given one back, the next character is no reason to give back another
        case _ if all(nullable(item) and _is_simple(item) for item in rest):
            return "end"
        case [One() | Repeat(One()), *others] if all(nullable(item) and _is_simple(item) for item in others):
            return "last"
    return ""


def _retried(node: Node, again: bool) -> Iterator[tuple[CodeSet, float]]:
    inside = children(node)
    match node:
        case Repeat(item, _, high, _):
            many = high is None or high > _MANY
            if many and again:
                yield CodeSet.union(*sets(node)), 1.0 if isinstance(item, One) else _GROUP * sum(1 for _ in sets(item))
            for chars, weight in _retried(item, again):
                yield chars, weight * (1 if high is None else min(high, _MANY))
        case Sequence():
            ways = 1.0
            for i, child in enumerate(inside):
                behind = any(map(_can_fail, inside[i + 1 :]))
                slow = ways * (_ANCHOR if any(isinstance(c, Anchor) for c in inside[i + 1 : i + 2]) else 1)
                yield from ((chars, weight * slow) for chars, weight in _retried(child, again or behind))
                ways = min(ways * check_cost(child), MAX_WAYS)
        case Look():
            yield from _retried(inside[0], True)
        case _:
            for child in inside:
                yield from _retried(child, again)
