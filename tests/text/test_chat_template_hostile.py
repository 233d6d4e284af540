"""Chat templates that try to escape the sandbox, or never end."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import TemplateError
from loom_py.text.chat_template import MAX_TEMPLATE, ChatTemplate

from ..cost import check_cost


class Tripwire(Exception):
    """Raised when a template reaches a forbidden object."""


NS = "{% set ns = namespace(x=START) %}{% for i in range(60) %}{% set ns.x = STEP %}{% endfor %}"


def growing(start: str, step: str, end: str = "{{ ns.x }}") -> str:
    return NS.replace("START", start).replace("STEP", step) + end


HOSTILE = {
    "class": "{{ ''.__class__ }}",
    "class hierarchy": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "class by subscript": "{{ ''['__class__'] }}",
    "class by filter": "{{ ''|attr('__class__') }}",
    "class by map": "{{ messages|map(attribute='__class__')|list }}",
    "class by attr in map": "{{ ['a']|map('attr', '__class__')|list }}",
    "class by format": "{{ '{0.__class__}'.format('') }}",
    "class by format of item": "{{ '{0[__class__]}'.format('') }}",
    "class by format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "class through block": "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "function's globals": "{{ raise_exception.__globals__ }}",
    "global's init": "{{ cycler.__init__.__globals__.os.system('exit 1') }}",
    "namespace's init": "{{ namespace.__init__.__globals__ }}",
    "joiner's init": "{{ joiner.__init__.__globals__['__builtins__'] }}",
    "macro's internals": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "macro's environment": "{% macro m() %}{% endmacro %}{{ m._environment.globals }}",
    "loop's internals": "{% for i in [1] %}{{ loop._iterator }}{% endfor %}",
    "self": "{{ self._TemplateReference__context.environment }}",
    "self's init": "{{ self.__init__.__globals__ }}",
    "generator's frame": "{{ (messages|map('length')).gi_frame }}",
    "dict's class methods": "{{ dict.mro() }}",
    "dict from keys": "{{ dict.fromkeys(range(9)) }}",
    "undefined's internals": "{{ nothing._fail_with_undefined_error() }}",
    "import": "{% import 'os' as os %}{{ os.getcwd() }}",
    "from import": "{% from 'os' import system %}",
    "include": "{% include '/etc/passwd' %}",
    "extends": "{% extends 'base' %}",
    "call of the account": "{{ environment.spend(-1000000) }}",
    "append to messages": "{{ messages.append(1) }}",
    "update a message": "{{ messages[0].update({'role': 'system'}) }}",
    "clear messages": "{% set _ = messages.clear() %}",
    "bytes": "{{ 'x'.encode() }}",
    "to bytes": "{{ (1).to_bytes(100000) }}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "removed filter": "{{ 'x'|pprint }}",
    "empty nested loops": "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "printing nested loops": "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
    "large text in a loop": "{% for i in range(100000) %}" + "x" * 10_000 + "{% endfor %}",
    "filtered loop": "{% for i in range(99999) if i < 0 %}{% endfor %}" * 40 + "{{ 1/0 }}",
    "huge range": "{% for i in range(10**9) %}x{% endfor %}",
    "text times a number": "{{ 'a' * 10**10 }}",
    "text times a number twice": "{{ ('a' * 1000000) * 1000000 }}",
    "list times a number": "{{ [0] * 10**9 }}",
    "tower of powers": "{{ 9**9**9**9**9 }}",
    "huge power": "{{ 9**999999 }}",
    "squares": growing("3", "ns.x * ns.x"),
    "doubling by +": growing("'ab'", "ns.x + ns.x"),
    "doubling by ~": growing("'ab'", "ns.x ~ ns.x"),
    "doubling by format": growing("'ab'", "'%s%s' % (ns.x, ns.x)"),
    "doubling by str.format": growing("'ab'", "'{0}{0}'.format(ns.x)"),
    "doubling by join": growing("'ab'", "[ns.x, ns.x]|join"),
    "doubling by str.join": growing("'ab'", "''.join([ns.x, ns.x])"),
    "doubling by replace": growing("'ab'", "ns.x.replace('a', 'ab' ~ ns.x)"),
    "doubling by replace filter": growing("'ab'", "ns.x|replace('a', ns.x ~ 'a')"),
    "doubling a list": growing("[1]", "ns.x + ns.x"),
    "list of lists": growing("[1]", "[ns.x, ns.x]"),
    "list of lists as JSON": growing("[1]", "[ns.x, ns.x]", "{{ ns.x|tojson }}"),
    "mapping of mappings": growing("{}", "{'a': ns.x, 'b': ns.x}", "{{ ns.x == ns.x }}{{ ns.x }}"),
    "deep list by loop": growing("[]", "[ns.x]").replace("range(60)", "range(5000)"),
    "deep namespace by loop": growing("1", "namespace(a=ns.x)").replace("range(60)", "range(5000)"),
    "tuples of tuples": growing("(1,)", "(ns.x, ns.x)"),
    "dict of dicts": growing("{}", "dict(a=ns.x, b=ns.x)"),
    "namespace of namespaces": growing("1", "namespace(a=ns.x, b=ns.x)"),
    "namespace in itself": "{% set ns = namespace() %}{% set ns.a = [ns, ns] %}{{ ns }}",
    "doubling by block": "{% set x %}aaaaaaaaaaaaaaaa{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "doubling by macro": "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "m(" * 40 + "'a'" + ")" * 40 + " }}",
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "branching recursion": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    "recursive loop": "{% for x in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "caller recursion": (
        "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}"
    ),
    "center": "{{ 'x'.center(10**9) }}",
    "center filter": "{{ 'x'|center(1000000000) }}",
    "ljust": "{{ 'x'.ljust(10**9) }}",
    "zfill": "{{ '1'.zfill(10**9) }}",
    "wide %": "{{ '%1000000000d' % 1 }}",
    "wide % by value": "{{ '%*d' % (1000000000, 1) }}",
    "wide % filter": "{{ '%1000000000d'|format(1) }}",
    "wide format": "{{ '{:1000000000}'.format(1) }}",
    "wide format by value": "{{ '{:{}}'.format(1, 1000000000) }}",
    "precise format": "{{ '%.999999999f' % 1 }}",
    "expandtabs": "{{ ('\\t' * 1000).expandtabs(1000000) }}",
    "replace nothing": "{{ ('a'*1000000).replace('', 'b'*1000000) }}",
    "join by long text": "{{ range(100000)|map('string')|join('a'*1000000) }}",
    "indent": "{{ ('\\n'*1000000)|indent(10000) }}",
    "batch": "{{ [1]|batch(1000000000, 0)|list }}",
    "slice": "{{ [1]|slice(1000000000)|list }}",
    "round": "{{ 5|round(10**9) }}",
    "JSON indented": "{{ [[1]]|tojson(indent=1000000000) }}",
    "sum of lists": "{{ ([[1]]*100000)|sum(start=[]) }}",
    "copies": "{% for i in range(100000) %}{% set y = ('a'*1900000)[1:] %}{% endfor %}",
    "comparisons": "{% set x = 'a'*1900000 %}{% for i in range(100000) %}{% set y = x ~ 'b' == x ~ 'c' %}{% endfor %}",
    "search from the end": "{{ ('a'*400000).rfind('ab' ~ 'a'*200000) }}",
    "index from the end": "{{ ('a'*400000).rindex('ab' ~ 'a'*200000) }}",
    "partition from the end": "{{ ('a'*400000).rpartition('ab' ~ 'a'*200000) }}",
    "split from the end": "{{ ('a'*400000).rsplit('ab' ~ 'a'*200000) }}",
    "strip by a long set": "{{ ('a'*1000000).strip('b'*1000000 ~ 'a') }}",
    "lstrip by a set": "{% set s = 'b'*999 ~ 'a' %}{% for i in range(9999) %}{{ ('a'*9999).lstrip(s) }}{% endfor %}",
    "trim by a long set": "{{ ('a'*1000000)|trim('b'*1000000 ~ 'a') }}",
    "many wide fields": "{{ ('{0:9999}'*200000).format(1) }}",
    "many wide %": "{{ ('%9999d'*150000) % ((1,)*150000) }}",
    "many wide % by filter": "{{ ('%(a)9999d'*150000)|format(a=1) }}",
    "many long fields": "{{ ('{0}'*200000).format('a'*100000) }}",
    "many long % from a mapping": "{{ ('%(a)s'*200000) % {'a': 'a'*100000} }}",
    "JSON by long separators": "{{ range(1000)|list|tojson(separators=('a'*1000000, ':')) }}",
    "JSON indented by text": "{{ [[1]]|tojson(indent='a'*1000000) }}",
    "JSON indented at every depth": "{{ (" + "[" * 30 + "range(6000)|list" + "]" * 30 + ")|tojson(indent=16) }}",
    "indent by text": "{{ ('a\n'*10000)|indent('b'*100000) }}",
    "many parts": "{{ ('a,'*900000).split(',')|length }}",
    "many lines": "{{ ('\n'*900000).splitlines()|length }}",
    "wide date": "{{ strftime_now('%99999999d') }}",
    "long date": "{{ strftime_now('%c' * 1000) }}",
    "too long": "x" * (MAX_TEMPLATE + 1),
    "deep parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep list": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "deep if": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "many filters": "{{ x" + "|upper" * 15_000 + " }}",
    "deep for": "{% for i in [1] %}" * 200 + "{% endfor %}" * 200,
    "deep calls": "{% macro f(x) %}{{ x }}{% endmacro %}{{ " + "f(" * 300 + "1" + ")" * 300 + " }}",
    "many comparisons": "{{ 1" + " == 1 and 1" * 3000 + " }}",
    "many alternatives": "{{ 1 " + "if 1 else 1 " * 5000 + "}}",
    "many subscripts": "{{ x" + "[0]" * 9000 + " }}",
    "many signs": "{{ " + "-" * 20_000 + "1 }}",
    "many nots": "{{ " + "not " * 20_000 + "1 }}",
    "long sum": "{{ 1" + "+1" * 30_000 + " }}",
    "unfinished": "{% for m in messages %}",
    "unknown tag": "{% python import os %}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(*args: Any, **kwargs: Any) -> Any:
        raise Tripwire(name)

    messages = [{"role": "user", "content": "hello"}]

    def render() -> tuple[str | None, TemplateError | None]:
        try:
            return ChatTemplate(HOSTILE[name]).render(messages), None
        except TemplateError as caught:
            return None, caught

    with monkeypatch.context() as patch:
        for function in ("system", "popen", "getcwd"):
            patch.setattr(os, function, trip)
        rendered, error = check_cost(4, render)
    assert rendered is None
    assert error is not None
    assert "Tripwire" not in str(error)
    assert error.remedy
    assert messages == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("name", ["many wide fields", "JSON by long separators", "split from the end", "many lines"])
def test_a_refusal_takes_little_memory(name: str) -> None:
    template = ChatTemplate(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            template.render([])
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "count", ["messages|length", "messages|count", "(messages|last).role", "(messages|first).role|d('')"]
)
def test_what_looks_at_no_entry_costs_nothing(count: str) -> None:
    """Qwen 3's template asks for the number of messages at every message."""
    messages = [{"role": "user", "content": f"question {i}"} for i in range(2000)]
    text = "{% for m in messages %}{% set n = " + count + " %}{{ m.content }}{% endfor %}"
    assert ChatTemplate(text).render(messages).endswith("question 1999")


def test_ordinary_work_on_a_long_text_is_within_the_budget() -> None:
    """Templates of reasoning models look for their markers from the end and strip line ends."""
    content = "<think>\n" + "thought and thought again\n" * 4000 + "</think>\n\nanswer\n"
    text = (
        "{% for m in messages %}{% if '</think>' in m.content %}"
        "{{ m.content.split('</think>')[-1].lstrip('\\n') }}{{ m.content.rsplit('</think>', 1)[0].rfind('<think>') }}"
        "{{ m.content.strip()|length }}{{ m.content|trim('\\n')|length }}{% endif %}{% endfor %}"
    )
    assert ChatTemplate(text).render([{"role": "assistant", "content": content}] * 20).count("answer") == 20


def test_a_template_works_again_after_it_was_stopped() -> None:
    template = ChatTemplate("{% for i in range(n) %}{% for j in range(n) %}{{ i }}{% endfor %}{% endfor %}")
    with pytest.raises(TemplateError, match=r"too many steps|longer than"):
        template.render([], n=100_000)
    assert template.render([], n=2) == "0011"


FRAGMENTS = st.sampled_from(
    [
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "for m in messages",
        "endfor",
        "if",
        "endif",
        "set x = ",
        "messages",
        "m.role",
        "''",
        "|join",
        "|tojson",
        ".__class__",
        "range(100000)",
        " * ",
        " ~ ",
        "[",
        "]",
        "(",
        ")",
        "x",
        "1",
        "\n",
        "macro f()",
        "endmacro",
        "f()",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=20).map("".join))
def test_random_templates_render_or_are_refused(text: str) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(ChatTemplate(text).render([{"role": "user", "content": "x"}]), str)
