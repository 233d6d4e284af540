"""Jinja2's immutable sandbox with a budget, for templates from untrusted model files.

The sandbox keeps a template from reaching Python, but does not bound its work: nested loops, strings that double, lists
of lists of lists. So every template is rewritten when it is parsed: each statement first pays a step, and whatever can
build something large (`+ * ** % ~`, slices, literals, filters, method calls) is measured before it is built. In a page
an escape would expose the whole origin, so attributes and calls go by allow-list.
"""

from __future__ import annotations

import functools
import json
import re
import time
import types
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from .template_metering import Generation, check_nesting, metered

MAX_STEPS = 500_000
MAX_SECONDS = 1.5
MAX_TEXT = 2_000_000  # characters of one string, and of the whole output
MAX_ITEMS = 200_000  # entries of one container, nested ones counted as often as they would print
MAX_DEPTH = 32  # calls inside calls
MAX_LEVELS = 48  # containers inside containers
MAX_WIDTH = 10_000  # padding, indentation and the like
MAX_BITS = 4096  # size of an integer

_STR_NAMES = """
capitalize casefold center count endswith find format index isalnum isalpha isascii isdecimal isdigit isidentifier
islower isnumeric isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix replace rfind
rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper zfill
"""
_STR = frozenset(_STR_NAMES.split())
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _STR),
    (dict, frozenset(("copy", "get", "items", "keys", "values"))),
    (list, frozenset(("copy", "count", "index"))),
    (tuple, frozenset(("count", "index"))),
    (int, frozenset(("bit_length", "is_integer"))),
    (float, frozenset(("is_integer",))),
)
_OWN_TYPES = (LoopContext, Macro, Namespace, Cycler, Joiner)  # Jinja's helpers; public attributes only
_REMOVED_FILTERS = ("filesizeformat", "forceescape", "pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr")
_CONSTANT_FILTERS = frozenset(("count", "d", "default", "first", "last", "length"))
"""These look only at the first or last entry, so a long list costs nothing."""
_SIZED_FILTERS = ("batch", "center", "format", "indent", "round", "slice", "tojson", "truncate")
_WIDE_FORMAT = re.compile(r"\d{5}|\{[^{}]*\{|%[^a-zA-Z%]*\*")
_FIELD = re.compile(r"%|\{")
_NUMBER = re.compile(r"\d+")
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BACKWARDS = frozenset(("rfind", "rindex", "rpartition", "rsplit"))
"""These compare the needle again at every position, unlike forward searches."""
_STRIPS = frozenset(("lstrip", "rstrip", "strip"))


class BudgetError(Exception):
    """The template exceeds its budget. Templates cannot catch this."""


class RaisedByTemplate(Exception):
    """The template called `raise_exception`."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one template. `begin` refills the budget."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, Generation],
            finalize=_finalize,
            optimized=False,
            cache_size=0,
        )
        self.spend = self._spend  # one object, so that `call` can tell it from the template's own calls
        for name in _REMOVED_FILTERS:
            del self.filters[name]
        self.filters |= {"tojson": _tojson, "safe": _safe, "sum": _sum}
        self.filters = {name: self._meter(name, function) for name, function in self.filters.items()}
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now
        del self.globals["lipsum"]
        self._allowed = tuple(self.globals.values())
        self.begin()

    def begin(self) -> None:
        self._steps = MAX_STEPS
        self._chars = MAX_TEXT
        self._depth = 0
        self._deadline = time.monotonic() + MAX_SECONDS

    # -- the budget

    def _spend(self, steps: int, chars: int = 0) -> None:
        self._steps -= steps
        self._chars -= chars
        if self._chars < 0:
            raise BudgetError(f"the output is longer than {MAX_TEXT} characters")
        if self._steps < 0 or time.monotonic() > self._deadline:
            raise BudgetError("the template takes too many steps")

    def weigh(self, value: Any) -> Any:
        """`value` itself, if a container written out in full stays within the limits."""
        if not isinstance(value, (list, tuple, dict, Namespace)):
            if isinstance(value, str) and len(value) > MAX_TEXT:
                raise BudgetError(f"a text is longer than {MAX_TEXT} characters")
            return value
        items = chars = depth = 0
        level: list[Any] = [value]
        while level:
            below: list[Any] = []
            for entry in level:
                if isinstance(entry, str):
                    chars += len(entry)
                elif isinstance(entry, Namespace):
                    # Jinja2 offers no other access to a namespace's attributes.
                    below.append(entry._Namespace__attrs)  # type: ignore[attr-defined]
                elif isinstance(entry, dict):
                    below += entry
                    below += entry.values()
                elif isinstance(entry, (list, tuple)):
                    below += entry
                if len(below) > MAX_ITEMS:
                    break
            items += len(level)
            depth += 1
            if items + len(below) > MAX_ITEMS or chars > MAX_TEXT:
                raise BudgetError(f"a list or mapping has more than {MAX_ITEMS} entries or {MAX_TEXT} characters")
            if depth > MAX_LEVELS:
                raise BudgetError(f"lists or mappings are nested more than {MAX_LEVELS} deep")
            level = below
        self._spend(1 + (items >> 4))
        return value

    def text(self, value: Any) -> str:
        """As a string, if it stays within the limits."""
        self.weigh(value)
        text = value if isinstance(value, str) else str(value)
        self._spend(1 + (len(text) >> 8))
        return text

    # -- what the rewritten template calls

    def concat_values(self, *values: Any) -> str:
        texts = list(map(self.text, values))
        _check_length(sum(map(len, texts)))
        return "".join(texts)

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        part = value[start:stop:step]
        self._spend(1 + (len(part) >> 4))
        return part

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self._spend(1)
        sized = (str, list, tuple)
        if operator == "%" and isinstance(left, str):
            self.check_format(left, right if isinstance(right, (tuple, dict)) else (right,))
        elif operator == "*" and (isinstance(left, sized) or isinstance(right, sized)):
            many, times = (left, right) if isinstance(left, sized) else (right, left)
            if isinstance(times, int):
                _check_length(len(many) * times, MAX_TEXT if isinstance(many, str) else MAX_ITEMS)
        elif operator == "+" and isinstance(left, sized) and isinstance(right, sized):
            _check_length(len(left) + len(right), MAX_TEXT)
        elif operator != "%" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            if bits > MAX_BITS:
                raise BudgetError(f"a number has more than {MAX_BITS} bits")
        return self.weigh(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if __obj is __self.spend:
            return __self._spend(*args)
        if getattr(__obj, "__self__", None) is __self:  # inserted by the rewriting; a template cannot name them
            return __obj(*args)
        __self._spend(2)
        __self._depth += 1
        if __self._depth > MAX_DEPTH:
            raise BudgetError(f"calls are nested more than {MAX_DEPTH} deep")
        try:
            owner = getattr(__obj, "__self__", None)
            if isinstance(owner, str):
                args = __self.check_method(__obj.__name__, owner, args)
            return __self.weigh(super().call(__context, __obj, *args, **kwargs))
        finally:
            __self._depth -= 1

    # -- what a template may touch

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if not super().is_safe_attribute(obj, attr, value):
            return False
        allowed = next((names for kind, names in _METHODS if isinstance(obj, kind)), None)
        return attr in allowed if allowed is not None else isinstance(obj, _OWN_TYPES)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"access to {attribute!r} of {type(obj).__name__!r} is refused")

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, (*_OWN_TYPES, Undefined)) or any(obj is permitted for permitted in self._allowed):
            return True
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(obj, types.MethodType) and isinstance(owner, _OWN_TYPES):
            return not name.startswith("_")
        if isinstance(obj, (types.BuiltinMethodType, types.MethodType)):
            return any(isinstance(owner, kind) and name in names for kind, names in _METHODS)
        return getattr(obj, "checked_format", False)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        pattern = value.__self__

        def checked(*args: Any, **kwargs: Any) -> str:
            self.check_format(pattern, [*args, *kwargs.values()])
            return wrapped(*args, **kwargs)

        # A mark on the function, which `call` looks for.
        checked.checked_format = value.__name__ == "format"  # type: ignore[attr-defined]
        return checked

    def _meter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that is charged for, refuses absurd widths, and yields lazy results item by item."""

        @functools.wraps(function)
        def paid(*args: Any, **kwargs: Any) -> Any:
            self._spend(2)
            given = [*args, *kwargs.values()]
            for value in given:
                if name in _SIZED_FILTERS and isinstance(value, int) and abs(value) > MAX_WIDTH:
                    raise BudgetError(f"the filter {name!r} is asked for more than {MAX_WIDTH}")
                if name not in _CONSTANT_FILTERS:
                    self.weigh(value)
            texts = [value for value in given if isinstance(value, str)]
            if name == "format":
                self.check_format(texts[0] if texts else "", given[1:])
            elif name == "replace" and len(texts) == 3:
                _check_replace(*texts)
            elif name == "trim" and len(texts) == 2:
                self._pay_search(len(texts[0]) * len(texts[1]))
            elif name == "indent" and texts:
                width = max(MAX_WIDTH, *map(len, texts[1:]), 0) if len(texts) > 1 else MAX_WIDTH
                _check_length(len(texts[0]) + _lines(texts[0]) * width)
            elif name == "join":
                args = tuple(self._bounded(value) if i and _is_lazy(value) else value for i, value in enumerate(args))
                parts = next((value for value in args if isinstance(value, (list, tuple, dict))), ())
                _check_length(
                    sum(len(self.text(part)) for part in parts) + len(parts) * max(map(len, texts), default=0)
                )
            result = function(*args, **kwargs)
            if name in _CONSTANT_FILTERS:
                return result
            return self._pay_items(result) if _is_lazy(result) else self.weigh(result)

        return paid

    def check_format(self, pattern: str, values: Any) -> None:
        """Refuses a format whose text could be too long: its fields are priced at the longest value and every width."""
        if _WIDE_FORMAT.search(pattern):
            raise SecurityError("widths of five digits, or widths given as values, are refused in a format")
        self.weigh(values)
        entries = values.values() if isinstance(values, dict) else values
        longest = max((len(self.text(value)) for value in entries), default=0)
        fields = sum(1 for _ in _FIELD.finditer(pattern))
        widths = sum(int(number[0]) for number in _NUMBER.finditer(pattern))
        _check_length(len(pattern) + fields * longest + widths)

    def _pay_search(self, comparisons: int) -> None:
        """Charge for a search without an index: about 100 character comparisons cost one step."""
        self._spend(1 + comparisons // 100)

    def check_method(self, name: str, owner: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of a string method, after checking that the result is small and the work short."""
        self._spend(len(owner) >> 10)
        if name in ("center", "ljust", "rjust", "zfill") and any(isinstance(a, int) and a > MAX_WIDTH for a in args):
            raise BudgetError(f"{name} is asked for more than {MAX_WIDTH} characters")
        texts = [a for a in args if isinstance(a, str)]
        if name == "replace" and len(texts) == 2:
            _check_replace(owner, *texts)
        elif name in ("split", "rsplit") and texts and texts[0]:
            _check_length(owner.count(texts[0]) + 1, MAX_ITEMS)
        elif name == "splitlines":
            _check_length(_lines(owner), MAX_ITEMS)
        if name in _BACKWARDS and texts:
            self._pay_search(len(owner) * min(len(texts[0]), max(len(owner) - len(texts[0]), 0)))
        elif name in _STRIPS and texts:
            self._pay_search(len(owner) * len(texts[0]))
        if name == "join" and args and isinstance(args[0], Iterable):
            parts = self._bounded(args[0])
            _check_length(len(owner) * len(parts) + sum(len(part) for part in parts if isinstance(part, str)))
            return (parts,)
        return args

    def _pay_items(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._spend(1)
            yield value

    def _bounded(self, values: Iterable[Any]) -> list[Any]:
        return self.weigh(list(self._pay_items(values)))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        check_nesting(self.lexer.tokeniter(source, name, filename))
        return metered(super()._parse(source, name, filename))


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """Every printed value passes here."""
    sandbox: Sandbox = context.environment  # type: ignore[assignment]  # only `Sandbox` sets this function
    text = sandbox.text(value)
    sandbox.spend(1, len(text))
    return text


def _is_lazy(value: Any) -> bool:
    return isinstance(value, Iterator) and not isinstance(value, LoopContext)


def _check_length(length: int, limit: int = MAX_TEXT) -> None:
    if length > limit:
        raise BudgetError(f"the result would be longer than {limit}")


def _check_replace(text: str, old: str, new: str) -> None:
    _check_length(len(text) + text.count(old) * len(new))


def _lines(text: str) -> int:
    """Lines as `splitlines` counts them, at least."""
    return 1 + sum(map(text.count, _LINE_ENDS))


def _raise_exception(message: object) -> None:
    raise RaisedByTemplate(str(message)[:500])


def _strftime_now(pattern: str) -> str:
    if len(pattern) > 200 or re.search(r"\d{3}", pattern):
        raise BudgetError("the date format is too long")
    return datetime.now().strftime(pattern)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without HTML escapes, which a prompt must not have."""
    if indent is not None and (not isinstance(indent, int) or not 0 <= indent <= 16):
        raise BudgetError("JSON can be indented by 0 to 16 spaces only")
    if separators is not None and any(not isinstance(s, str) or len(s) > 16 for s in separators):
        raise BudgetError("a separator in JSON can have at most 16 characters")
    encoder = json.JSONEncoder(
        ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=bool(sort_keys)
    )
    if not indent:
        return encoder.encode(value)
    parts: list[str] = []
    length = 0
    for part in encoder.iterencode(value):  # indentation adds an amount that depends on every entry's depth
        length += len(part)
        _check_length(length)
        parts.append(part)
    return "".join(parts)


def _safe(value: Any) -> str:
    """`safe` changes nothing, because nothing is escaped."""
    return str(value)


def _sum(values: Iterable[Any], attribute: str | None = None, start: float = 0) -> float:
    for value in values:
        number = value[attribute] if attribute is not None else value
        if not isinstance(number, (int, float)):
            raise SecurityError("sum adds numbers only")
        start += number
    return start
