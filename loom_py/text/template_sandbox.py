"""Jinja2's immutable sandbox with a budget, for templates from untrusted model files.

The sandbox keeps a template from reaching Python, but does not bound its work: nested loops, strings that double, lists
of lists of lists. So every template is rewritten when it is parsed: each statement first pays a step, and whatever can
build something large (`+ * ** % ~`, slices, literals, filters, method calls) is measured before it is built. In a page
an escape would expose the whole origin, so attributes and calls go by allow-list.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from inspect import isawaitable
from typing import Any

from jinja2 import Template, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import Markup

from .marked import Marked, carries_marks, concat, percent, unmarked
from .template_budget import (
    MAX_BITS,
    MAX_FIELDS,
    MAX_ITEMS,
    MAX_LAZY,
    MAX_LEVELS,
    MAX_TEXT,
    MAX_WIDTH,
    BudgetError,
    check_length,
    check_replace,
    count_lines,
)
from .template_filters import FILTERS, FUNCTIONS, MarkedFormatter
from .template_metering import Generation, check_nesting, metered
from .template_steps import Budget, Pause, pieces_of

_STR_NAMES = """
capitalize casefold center count endswith find format index isalnum isalpha isascii isdecimal isdigit isidentifier
islower isnumeric isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix replace rfind
rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper zfill
"""
STR_METHODS = frozenset(_STR_NAMES.split())
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, STR_METHODS),
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
_WRITING_FILTERS = frozenset(("string", "safe", "urlencode"))
"""They write a value out anew, and know nothing of marks."""
_WIDE_FORMAT = re.compile(r"\d{5}|\{[^{}]*\{|%[^a-zA-Z%]*\*")
_NUMBER = re.compile(r"\d+")
_BACKWARDS = frozenset(("rfind", "rindex", "rpartition", "rsplit"))
"""These compare the needle again at every position, unlike forward searches."""
_STRIPS = frozenset(("lstrip", "rstrip", "strip"))


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one template.

    It renders by coroutines, so that long work can pause; filters are Jinja's synchronous ones all the same.
    """

    intercepted_binops = frozenset(("+", "*", "**", "%"))
    concat = staticmethod(concat)  # of blocks, macros and the whole output

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, Generation],
            finalize=_finalize,
            optimized=False,
            cache_size=0,
            enable_async=True,
        )
        self.spend = self._spend  # one object, so that `call` can tell it from the template's own calls
        for name in _REMOVED_FILTERS:
            del self.filters[name]
        self.filters |= FILTERS
        self.filters = {name: self._meter(name, function) for name, function in self.filters.items()}
        self.globals |= FUNCTIONS
        del self.globals["lipsum"]
        self._allowed = tuple(self.globals.values())
        self._budget = Budget()

    def render_steps(self, template: Template, variables: dict[str, Any]) -> Generator[None, None, str]:
        """What a template of this environment writes; yields every few hundredths of a second of work."""
        budget = self._budget = Budget()
        rendering: Any = template.root_render_func(template.new_context(variables))  # declared as it is without async
        steps = pieces_of(rendering)
        try:
            while True:
                try:
                    next(steps)
                except StopIteration as stop:
                    return concat(stop.value)
                yield
                budget.go_on()
                self._budget = budget  # another rendering may have begun meanwhile
        finally:
            steps.close()

    # -- the budget

    def _spend(self, steps: int, chars: int = 0) -> None:
        self._budget.spend(steps, chars)

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
        if text is not value and carries_marks(value):
            text = Marked(text)  # a list or mapping written out
        self._spend(1 + (len(text) >> 8))
        return text

    # -- what the rewritten template calls

    def concat_values(self, *values: Any) -> str:
        texts = list(map(self.text, values))
        check_length(sum(map(len, texts)))
        return concat(texts)

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        part = value[start:stop:step]
        self._spend(1 + (len(part) >> 4))
        return part

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self._spend(1)
        sized = (str, list, tuple)
        if operator == "%" and isinstance(left, str):
            self.check_format(left, right if isinstance(right, (tuple, dict)) else (right,))
            if not isinstance(left, Markup):
                return self.weigh(percent(left, right))
        elif operator == "*" and (isinstance(left, sized) or isinstance(right, sized)):
            many, times = (left, right) if isinstance(left, sized) else (right, left)
            if isinstance(times, int):
                check_length(len(many) * times, MAX_TEXT if isinstance(many, str) else MAX_ITEMS)
        elif operator == "+" and isinstance(left, sized) and isinstance(right, sized):
            check_length(len(left) + len(right), MAX_TEXT)
        elif operator != "%" and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            if bits > MAX_BITS:
                raise BudgetError(f"a number has more than {MAX_BITS} bits")
        return self.weigh(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if __obj is __self.spend:
            __self._spend(*args)
            return Pause() if __self._budget.pauses else None
        if getattr(__obj, "__self__", None) is __self:  # inserted by the rewriting; a template cannot name them
            return __obj(*args)
        __self._spend(2)
        __self._budget.enter()
        try:
            owner = getattr(__obj, "__self__", None)
            if isinstance(owner, str):
                args = __self.check_method(__obj.__name__, owner, args)
                if type(owner) is str and carries_marks([args, kwargs]):
                    __obj = getattr(unmarked(owner), __obj.__name__)
            result = super().call(__context, __obj, *args, **kwargs)
            return __self._awaited(result) if isawaitable(result) else __self.weigh(result)
        finally:
            __self._budget.leave()

    async def _awaited(self, result: Awaitable[Any]) -> Any:
        """What a macro gives, whose body runs only now."""
        budget = self._budget
        budget.enter()
        try:
            return self.weigh(await result)
        finally:
            budget.leave()

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
            if isinstance(pattern, Markup):
                return wrapped(*args, **kwargs)
            return MarkedFormatter(self).format_marked(pattern, args, kwargs)

        # A mark on the function, which `call` looks for.
        checked.checked_format = value.__name__ == "format"  # type: ignore[attr-defined]
        return checked

    def _meter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that is charged for, refuses absurd widths, and yields lazy results item by item."""
        if getattr(function, "jinja_async_variant", False):
            function = function.__wrapped__  # type: ignore[attr-defined]  # the synchronous one

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
                check_replace(*texts)
            elif name == "trim" and len(texts) == 2:
                self._pay_search(len(texts[0]) * len(texts[1]))
            elif name == "indent" and texts:
                width = max(MAX_WIDTH, *map(len, texts[1:]), 0) if len(texts) > 1 else MAX_WIDTH
                check_length(len(texts[0]) + count_lines(texts[0]) * width)
            elif name == "join":
                args = tuple(self._bounded(value) if i and _is_lazy(value) else value for i, value in enumerate(args))
                parts = next((value for value in args if isinstance(value, (list, tuple, dict))), ())
                between = len(parts) * max(map(len, texts), default=0)
                check_length(between)
                check_length(between + sum(len(p) if isinstance(p, str) else len(self.text(p)) for p in parts))
            result = function(*args, **kwargs)
            if name in _WRITING_FILTERS and type(result) is str and carries_marks(given):
                result = Marked(result)
            if name in _CONSTANT_FILTERS:
                return result
            return self._pay_items(result) if _is_lazy(result) else self.weigh(result)

        return paid

    def check_format(self, pattern: str, values: Any) -> None:
        """Refuses a format whose text could be too long: its fields are priced at the longest value and every width."""
        fields = pattern.count("%") + pattern.count("{")
        if fields > MAX_FIELDS:
            raise BudgetError(f"a format has more than {MAX_FIELDS} fields")
        if _WIDE_FORMAT.search(pattern):
            raise SecurityError("widths of five digits, or widths given as values, are refused in a format")
        self.weigh(values)
        entries = values.values() if isinstance(values, dict) else values
        longest = max((len(self.text(value)) for value in entries), default=0)
        widths = sum(int(number[0]) for number in _NUMBER.finditer(pattern))
        check_length(len(pattern) + fields * longest + widths)

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
            check_replace(owner, *texts)
        elif name in ("split", "rsplit") and texts and texts[0]:
            check_length(owner.count(texts[0]) + 1, MAX_ITEMS)
        elif name == "splitlines":
            check_length(count_lines(owner), MAX_ITEMS)
        if name in _BACKWARDS and texts:
            self._pay_search(len(owner) * min(len(texts[0]), max(len(owner) - len(texts[0]), 0)))
        elif name in _STRIPS and texts:
            self._pay_search(len(owner) * len(texts[0]))
        if name == "join" and args and isinstance(args[0], Iterable):
            parts = self._bounded(args[0])
            check_length(len(owner) * len(parts) + sum(len(part) for part in parts if isinstance(part, str)))
            return (parts,)
        return args

    def _pay_items(self, values: Iterable[Any]) -> Iterator[Any]:
        for count, value in enumerate(values):
            if count == MAX_LAZY:
                raise BudgetError(f"a filter is given more than {MAX_LAZY} entries")
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
