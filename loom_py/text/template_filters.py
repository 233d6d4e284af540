"""Filters and functions of chat templates that differ from Jinja's, or keep a caller's text marked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from jinja2 import Environment, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.filters import do_format, do_indent, do_title, make_attrgetter
from jinja2.sandbox import SandboxedFormatter
from markupsafe import Markup, soft_str

from .marked import (
    Marked,
    Placeholders,
    carries_marks,
    concat,
    indented,
    joined,
    marks_of,
    percent,
    to_json,
    unmarked,
)
from .template_budget import BudgetError, RaisedByTemplate, check_length


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
    layout = {"indent": indent, "separators": separators, "sort_keys": bool(sort_keys)}
    if not indent and not carries_marks(value):
        return json.JSONEncoder(ensure_ascii=ensure_ascii, **layout).encode(value)
    parts: list[str] = []
    length = 0
    for part in to_json(value, ensure_ascii=ensure_ascii, **layout):
        length += len(part)  # what indentation adds depends on every entry's depth
        check_length(length)
        parts.append(part)
    return concat(parts)


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


@pass_environment
def _join(environment: Environment, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        value = map(make_attrgetter(environment, attribute), value)
    return joined(str(d), list(value))


def _replace(s: Any, old: Any, new: Any, count: int | None = None) -> str:
    return unmarked(str(s)).replace(str(old), str(new), -1 if count is None else count)


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    if not isinstance(s, str) or isinstance(s, Markup):
        return do_indent(s, width, first, blank)
    return indented(s, width if isinstance(width, str) else " " * width, first, blank)


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        return do_format(value, *args, **kwargs)  # refuses this
    return percent(soft_str(value), kwargs or args)


def _title(s: Any) -> str:
    text = do_title(s)
    return Marked(text, marks_of(s)) if isinstance(s, str) and carries_marks(s) else text


FUNCTIONS: dict[str, Callable[..., Any]] = {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
FILTERS: dict[str, Callable[..., Any]] = {
    "tojson": _tojson,
    "safe": _safe,
    "sum": _sum,
    "join": _join,
    "replace": _replace,
    "indent": _indent,
    "format": _format,
    "title": _title,
}


class MarkedFormatter(SandboxedFormatter):
    """`str.format` that keeps marks: fields of callers' texts are put in at the end."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._placeholders = Placeholders()

    def format_marked(self, pattern: str, args: Any, kwargs: Any) -> str:
        if isinstance(pattern, Marked):
            return Marked(self.vformat(str.__getitem__(pattern, slice(None)), args, kwargs))
        return self._placeholders.show(self.vformat(pattern, args, kwargs))

    def convert_field(self, value: Any, conversion: Any) -> Any:
        converted = super().convert_field(value, conversion)
        return Marked(converted) if conversion and carries_marks(value) else converted

    def format_field(self, value: Any, format_spec: str) -> str:
        text = super().format_field(value, format_spec)
        if not carries_marks(value):
            return text
        marks = marks_of(value) if isinstance(value, str) and text == value else None
        return self._placeholders.hide(Marked(text, marks))
