"""Chat templates: what they render, and what the sandbox prevents."""

from __future__ import annotations

import datetime
import json
import os
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from loom_py.errors import InputError, TemplateError
from loom_py.text import template_sandbox
from loom_py.text.chat_template import ChatTemplate

from .oracle import DATA

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" ~ system_message }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim }}
        {{- '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", "parameters": ' }}
        {{- tool_call.arguments | tojson }}
    {%- elif message.role == "tool" %}
        {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""
MISTRAL = """{%- set ns = namespace(index=0, system='') %}
{%- macro turn(m, last=false) %}[{{ m.role|upper }}]
  {{- m.content if m.content is string else m.content|map(attribute='text')|join(' ') }}
  {%- if last %} {{ eos_token }}{% endif %}{% endmacro %}
{{ bos_token }}
{% for m in messages %}
  {%- if m.role == 'skip' %}{% continue %}{% endif %}
  {%- if m.role == 'stop' %}{% break %}{% endif %}
  {%- set ns.index = ns.index + 1 %}
  {{ turn(m, loop.last) }}{{ ns.index % 2 == 0 }} {{ loop.index0 }}/{{ loop.length }} {{ loop.cycle('a', 'b') }}
{% endfor %}
{% generation %}{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{% endgeneration %}
{% set block %}<{{ messages[-1].content }}>{% endset %}{{ block|replace('<', '[')|indent(2) }}
{% for k, v in messages[0].items() %}{{ k }}={{ v|string|truncate(9) }},{% endfor %}
{% filter upper %}shout {{ '%s-%d' % ('x', 3) }} {{ '{}:{:>4}'.format('a', 7) }}{% endfilter %}
{{ [1, 2.5, none, true, 'é<>&', {'k': [1]}]|tojson }} {{ (1, 2) }} {{ {'a': 1} }} {{ range(3)|list }}
{{ 2**8 }} {{ 7 // 2 }}
{{ messages|map(attribute='role')|unique|sort|join(', ') }} {{ ['b', 'a']|sort|first }} {{ 'a,b'.split(',')[::-1] }}
{% if messages is defined and tools is none and nothing is not defined %}ok{% endif %} {{ nothing|default('d') }}
{{ messages|groupby('role')|map('first')|list }} {{ [3,1]|sum }} {{ -5|abs }} {{ 2.567|round(1) }} {{ 'x'.center(5) }}|
"""
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": " be <brief> "},
    {"role": "user", "content": "Hi & 'bye' \"é\" 漢字 👩‍💻"},
    {"role": "assistant", "content": "Hello\nthere"},
    {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "text", "text": "now?"}]},
]


@cache
def plain_template(text: str) -> Template:
    """In the environment that transformers builds, without our limits."""

    def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", template_sandbox.Generation]
    )
    environment.filters["tojson"] = tojson
    return environment.from_string(text)


def plain_engine(text: str, messages: Any, **variables: Any) -> str:
    variables = {"tools": None, "documents": None, "add_generation_prompt": True, **variables}
    return plain_template(text).render(messages=messages, **variables)


def test_smollm2_renders_the_fixture() -> None:
    row = json.loads((DATA / "smollm2_greedy.json").read_text())["rows"][2]
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    template = ChatTemplate(SMOLLM2, "<|im_start|>", "<|im_end|>")
    assert template.render(messages) == row["prompt"]
    assert template.render(messages, add_generation_prompt=False) == row["prompt"].removesuffix(
        "<|im_start|>assistant\n"
    )
    assert template.render([{"role": "system", "content": "x"}], False) == "<|im_start|>system\nx<|im_end|>\n"


@pytest.mark.parametrize("text", [SMOLLM2, LLAMA3, MISTRAL])
def test_same_as_without_limits(text: str) -> None:
    messages = MESSAGES if text is MISTRAL else MESSAGES[:3]
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    assert ChatTemplate(text, tokens=tokens).render(messages) == plain_engine(text, messages, **tokens)


def test_tools_reach_the_template() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, "<&>"]}}}]
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}
    messages = [*MESSAGES[:2], call, {"role": "tool", "content": "3"}]
    variables = {"bos_token": "<s>", "tools": tools, "date_string": "today"}
    ours = ChatTemplate(LLAMA3, "<s>").render(messages, tools=tools, date_string="today")
    assert ours == plain_engine(LLAMA3, messages, **variables)
    assert '"<&>"' in ours


COMPILED = [ChatTemplate(text, "<s>", "</s>") for text in (SMOLLM2, MISTRAL)]
ROLES = st.sampled_from(["system", "user", "assistant", "skip", "stop"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"role": ROLES, "content": st.text(max_size=20)}), min_size=1, max_size=5))
def test_random_messages(messages: list[dict[str, str]]) -> None:
    for template in COMPILED:
        ours = template.render(messages)
        assert ours == plain_engine(template.text, messages, bos_token="<s>", eos_token="</s>")


def test_messages_are_copied_and_unchanged() -> None:
    messages = [{"role": "user", "content": "a"}]
    ChatTemplate("{% set messages = messages + messages %}{{ messages|length }}").render(messages)
    assert messages == [{"role": "user", "content": "a"}]


def test_dates() -> None:
    assert ChatTemplate("{{ strftime_now('%Y') }}").render([]) in {
        str(datetime.date.today().year + d) for d in (-1, 0, 1)
    }


def test_template_from_a_list() -> None:
    choices = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]
    assert ChatTemplate(choices).render([]) == "D"
    assert ChatTemplate(choices, variant="tool_use").render([]) == "T"
    with pytest.raises(TemplateError, match=r"no template named 'rag', only default, tool_use"):
        ChatTemplate(choices, variant="rag").render([])
    for bad in ([{"name": "default"}], ["x"], [{"name": 1, "template": "x"}], {"a": 1}, 5, None, b"x", []):
        with pytest.raises(TemplateError, match="chat_template"):
            ChatTemplate(bad).render([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ("hello", "messages"),
        (None, "messages"),
        ({"role": "user"}, "messages"),
        (["hello"], "messages[0]"),
        ([{"role": "user", "content": "x"}, {"content": "x"}], "messages[1].role"),
        ([{"role": 3, "content": "x"}], "messages[0].role"),
        ([{"role": "", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content"),
        ([{"role": "user", "content": "x", "extra": object()}], "messages[0].extra"),
        ([{"role": "user", "content": "x", 3: 4}], "messages[0]"),
        ([{"role": "user", "content": "x", "f": float("nan")}], "messages[0].f"),
        ([{"role": "user", "content": "x", "f": print}], "messages[0].f"),
    ],
)
def test_malformed_messages(messages: Any, place: str) -> None:
    with pytest.raises(InputError) as caught:
        ChatTemplate(SMOLLM2).render(messages)
    assert caught.value.where == place


def test_variables_are_of_jsons_types() -> None:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for bad in (object(), print, os, b"x", cyclic):
        with pytest.raises(InputError, match="tools"):
            ChatTemplate("{{ tools }}").render([], tools=bad)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\nb\n{% if %}", 3, "Expected an expression"),
        ("a\n{{ 1/0 }}", 2, "division"),
        ("\n\n{{ raise_exception('roles must alternate') }}", 3, "roles must alternate"),
        ("{% for m in messages %}\n{{ m.nothing.at.all }}\n{% endfor %}", 2, "nothing"),
        ("{% macro f() %}\n\n{{ 1 + 'a' }}{% endmacro %}\n{{ f() }}", 3, "unsupported operand"),
        ("x\n{% include 'y' %}", 2, "other templates"),
        ("{{ unknown() }}", 1, "undefined"),
        ("\n{{ 1|nothing }}", 2, "nothing"),
        ("\n\n{% for i in range(10**7) %}{% endfor %}", 3, "Range too big"),
    ],
)
def test_errors_name_the_line(text: str, line: int, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        ChatTemplate(text, name="model.gguf").render([{"role": "user", "content": "x"}])
    assert caught.value.where == f"model.gguf, line {line}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ messages|no_such_filter }}", "No filter named 'no_such_filter'"),
        ("{{ 1" + " + 1" * 50 + " }}", "nested too deeply"),
        ("{% if 1 %}" * 13 + "{% endif %}" * 13, "nested too deeply"),
        ([{"name": "rag", "template": "x"}], "there is no template named 'default', only rag"),
        ("{% for m in messages %}", "Unexpected end of template"),
        (7, "must be a string or an array of templates"),
    ],
)
def test_an_unusable_template_is_reported_when_it_is_used(text: Any, message: str) -> None:
    """The model loads and completes; only chat reports the fault."""
    template = ChatTemplate(text, name="model.gguf")
    assert template.problem is not None
    for _ in range(2):
        with pytest.raises(TemplateError, match=re.escape(message)) as caught:
            template.render([{"role": "user", "content": "x"}])
        assert caught.value.where.startswith("model.gguf")
        assert caught.value.remedy or "named" in message or isinstance(text, int)


def test_a_byte_order_mark_is_no_part_of_the_prompt() -> None:
    assert ChatTemplate("\ufeff{{ messages[0].content }}").render([{"role": "user", "content": "x"}]) == "x"
