"""Chat templates: a model's own Jinja2 template turns messages into the prompt format it was trained on.

The environment is the one `transformers` builds (immutable sandbox, trimmed blocks, loop controls, `tojson` without
HTML escapes, `raise_exception`, `strftime_now`), narrowed and metered by `template_sandbox`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any

from ..errors import FormatError, InputError, TemplateError
from ..progress import to_end
from ..schema.foreign import foreign_text
from .marked import Marked, marks_of
from .prompt import Prompt, well_formed

MAX_TEMPLATE = 128 * 1024  # characters; the longest in use are about 30 000
MAX_MESSAGES = 20_000
_MAX_NESTING = 32
_UNSAFE = "The template was stopped; nothing it asked for was run. Use a model from a source you trust."


class ChatTemplate:
    """A model's chat template.

    **Arguments:**

    - `source`: the template's text, or the list of `{"name", "template"}` that some `tokenizer_config.json` hold.
    - `bos_token`, `eos_token`, `tokens`: the special tokens as text by their role, which the template may write.
    - `name`: where the template comes from, for errors.
    - `variant`: which of several templates, by name.

    An unusable template (too long, an unknown filter, no variant of that name) does not keep its model from loading:
    `problem` holds the `TemplateError` with the line, and `render` raises it.
    """

    def __init__(
        self,
        source: str | Sequence[Mapping[str, Any]],
        bos_token: str = "",
        eos_token: str = "",
        *,
        tokens: Mapping[str, str] | None = None,
        name: str = "chat_template",
        variant: str = "default",
    ) -> None:
        self.name = name
        self._source = source
        self._variants: dict[str, ChatTemplate] = {variant: self}
        self.text = ""
        self.problem: TemplateError | None = None
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token, **(tokens or {})}
        try:
            self.text = _select(source, variant, name).removeprefix("\ufeff")  # a byte order mark is not text
            self._compile()
        except TemplateError as error:
            self.problem = error

    @classmethod
    def unreadable(cls, error: FormatError, name: str) -> ChatTemplate:
        """The template of a file that cannot be read: its `problem` is that error."""
        template = cls("", name=name)
        template.problem = TemplateError(error.message, where=error.where, remedy=error.remedy)
        return template

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all templates of the file."""
        if isinstance(self._source, str) or not isinstance(self._source, Sequence):
            return ("default",)
        return tuple(str(entry.get("name")) for entry in self._source if isinstance(entry, Mapping))

    def variant(self, name: str) -> ChatTemplate:
        """One of several templates, by name. Its `problem` says so where there is none of that name."""
        if not isinstance(name, str):
            raise TemplateError(f"expected a template's name, got {type(name).__name__}", where="template")
        template = self._variants.get(name)
        if template is None:
            template = ChatTemplate(self._source, tokens=self._tokens, name=self.name, variant=name)
            if name in self.names:
                self._variants[name] = template
        return template

    def _compile(self) -> None:
        if (other := foreign_text(self.text)) is not None:
            raise TemplateError(f"{other.what}, not a template", where=self.name, remedy=other.remedy)
        if len(self.text) > MAX_TEMPLATE:
            raise TemplateError(
                f"the template has {len(self.text)} characters, more than {MAX_TEMPLATE}",
                where=self.name,
                remedy="No model needs a template this long; the file is damaged or hostile.",
            )
        try:
            from .template_sandbox import Sandbox
        except ImportError as error:
            raise TemplateError(
                "Jinja2 is not installed", where=self.name, remedy="Install the packages jinja2 and markupsafe."
            ) from error
        self._sandbox = Sandbox()
        try:
            self._template = self._sandbox.from_string(self.text)
        except Exception as error:
            raise self._error(error) from None

    def render(self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool = True, **kwargs: Any) -> str:
        """The text of `prompt`."""
        return self.prompt(messages, add_generation_prompt, **kwargs).text

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        *,
        parse_special: bool = False,
        **kwargs: Any,
    ) -> Prompt:
        """`prompt_steps` to the end."""
        return to_end(self.prompt_steps(messages, add_generation_prompt, parse_special=parse_special, **kwargs))

    def prompt_steps(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        *,
        parse_special: bool = False,
        **kwargs: Any,
    ) -> Generator[None, None, Prompt]:
        """The prompt for `messages`, each with a `role` and `content` (text, or a list of parts).

        All that comes from the messages and `kwargs` is literal in it, wherever the template puts it: only what the
        template itself writes can be a special token.

        **Arguments:**

        - `add_generation_prompt`: end with the beginning of the assistant's answer.
        - `parse_special`: special tokens that are written out in messages and `kwargs` become those tokens.
        - `kwargs`: further variables of the template (`tools`, `enable_thinking`, …), of JSON's types.

        Raises `InputError` for malformed messages, and `TemplateError` with the line when the template cannot be
        compiled, fails, refuses the messages, or exceeds its budget.
        """
        if self.problem is not None:
            raise self.problem.with_traceback(None)
        _check_messages(messages)
        text = str if parse_special else Marked
        variables = {
            "tools": None,
            "documents": None,
            **self._tokens,
            **{key: _plain(value, key, text) for key, value in kwargs.items()},
            "messages": [_plain(message, f"messages[{i}]", text) for i, message in enumerate(messages)],
            "add_generation_prompt": bool(add_generation_prompt),
        }
        try:
            rendered = yield from self._sandbox.render_steps(self._template, variables)
            return Prompt.of_marks(str.__str__(rendered), marks_of(rendered))
        except Exception as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> TemplateError:
        """An error of the engine or the template as a `TemplateError` with the line."""
        from jinja2.exceptions import SecurityError, TemplateSyntaxError

        from .template_budget import BudgetError, RaisedByTemplate

        line = error.lineno if isinstance(error, TemplateSyntaxError) else self._line(error.__traceback__)
        where = f"{self.name}, line {line}" if line else self.name
        if isinstance(error, RaisedByTemplate):
            return TemplateError(
                f"the template refuses these messages: {error}", where=where, remedy="Change the messages."
            )
        if isinstance(error, (BudgetError, SecurityError)):
            return TemplateError(str(error), where=where, remedy=_UNSAFE)
        if isinstance(error, RecursionError):
            return TemplateError("the template is nested too deeply", where=where, remedy=_UNSAFE)
        kind = type(error).__name__
        return TemplateError(
            f"{str(error)[:500] or 'the template failed'} ({kind})",
            where=where,
            remedy="The template does not fit these messages, or needs a feature that is not supported.",
        )

    def _line(self, trace: TracebackType | None) -> int | None:
        """The line of the innermost frame in the template."""
        line = None
        template = getattr(self, "_template", None)
        while trace is not None and template is not None:
            if trace.tb_frame.f_globals.get("__jinja_template__") is template:
                line = template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def _select(source: str | Sequence[Mapping[str, Any]], variant: str, name: str) -> str:
    """The text of the requested template."""
    if isinstance(source, str):
        source = [{"name": "default", "template": source}]
    if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
        templates: dict[str, str] = {}
        for i, entry in enumerate(source):
            keys = (entry.get("name"), entry.get("template")) if isinstance(entry, Mapping) else (None, None)
            if not isinstance(keys[0], str) or not isinstance(keys[1], str):
                raise TemplateError(
                    "must be an object with the strings 'name' and 'template'", where=f"{name}: chat_template[{i}]"
                )
            templates[keys[0]] = keys[1]
        if variant in templates:
            return templates[variant]
        raise TemplateError(
            f"there is no template named {variant[:40]!r}, only {', '.join(templates)[:200] or 'none'}",
            where=f"{name}: chat_template",
            remedy="Choose one of the names.",
        )
    raise TemplateError(
        f"must be a string or an array of templates, but is {type(source).__name__}", where=f"{name}: chat_template"
    )


def _check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raises `InputError` for what is no list of messages."""
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise InputError(f"must be a list of messages, but is {type(messages).__name__}", where="messages")
    if len(messages) > MAX_MESSAGES:
        raise InputError(f"has {len(messages)} messages, more than {MAX_MESSAGES}", where="messages")
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if not isinstance(message, Mapping):
            raise InputError(f"must be an object with role and content, but is {type(message).__name__}", where=where)
        role = message.get("role")
        if not isinstance(role, str) or not role:
            raise InputError("must be a non-empty string such as 'user'", where=f"{where}.role")
        content = message.get("content")
        if content is None and message.get("tool_calls"):
            continue
        if isinstance(content, list) and all(
            isinstance(p, Mapping) and isinstance(p.get("type"), str) for p in content
        ):
            continue
        if not isinstance(content, str):
            raise InputError(
                f"must be a string or a list of parts with a type, but is {type(content).__name__}",
                where=f"{where}.content",
            )


def _plain(value: Any, where: str, text: Callable[[str], str], depth: int = 0) -> Any:
    """A copy made of JSON's types and `text` alone, so that the template sees nothing else; or an `InputError`."""
    if depth > _MAX_NESTING:
        raise InputError(f"is nested more than {_MAX_NESTING} deep", where=where)
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        return text(well_formed(str.__str__(value)))
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"has the key {key!r}, which is not a string", where=where)
        return {text(well_formed(key)): _plain(item, f"{where}.{key}", text, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]", text, depth + 1) for i, item in enumerate(value)]
    raise InputError(f"must be of a type JSON has, but is {type(value).__name__}", where=where)
