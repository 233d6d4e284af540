"""Templates render in steps, between which somebody may stop or another rendering may go on."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

import loom_py.text.template_steps as template_steps
from loom_py.errors import TemplateError
from loom_py.text.chat_template import ChatTemplate
from loom_py.text.prompt import Prompt

MESSAGES = [{"role": "user", "content": f"text {i}"} for i in range(3)]
LOOPS = {
    "with output": "{% for i in range(50) %}{{ i }}{% endfor %}",
    "without": "{% for i in range(50) %}{% set x = i %}{% endfor %}",
    "in a macro": "{% macro m() %}{% for i in range(50) %}{{ i }}{% endfor %}{% endmacro %}{{ m() }}",
    "of macros": "{% macro m(i) %}{{ i }}{% endmacro %}{% for i in range(50) %}{{ m(i) }}{% endfor %}",
    "recursive": "{% for i in [[[], []], [[], [[]]]] recursive %}<{{ loop(i) }}{{ loop.index }}>{% endfor %}" * 5,
    "in a block that is set": "{% set x %}{% for i in range(50) %}{{ i }}{% endfor %}{% endset %}{{ x }}",
    "in a filter's block": "{% filter upper %}{% for i in range(50) %}{{ i }}a{% endfor %}{% endfilter %}",
    "in a call's block": (
        "{% macro m() %}{{ caller() }}{% endmacro %}"
        "{% call m() %}{% for i in range(50) %}{{ i }}{% endfor %}{% endcall %}"
    ),
    "over a filter": "{% for i in range(50) | map('string') | select %}{{ i }}{{ loop.last }}{% endfor %}",
    "over messages": "{% for m in messages * 10 %}{{ m.role }}{{ m['content'] | trim }}{{ loop.nextitem }}{% endfor %}",
}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of no length: every statement pauses."""
    monkeypatch.setattr(template_steps, "SLICE_SECONDS", -1.0)


def count(steps: Generator[None, None, Prompt]) -> tuple[int, str]:
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return pauses, stop.value.text
        pauses += 1


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", LOOPS)
def test_every_kind_of_loop_can_pause(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = ChatTemplate(LOOPS[kind])
    pauses, text = count(template.prompt_steps(MESSAGES))
    assert pauses > 25
    monkeypatch.setattr(template_steps, "SLICE_SECONDS", 1e9)
    assert count(template.prompt_steps(MESSAGES)) == (0, text)


@pytest.mark.usefixtures("eager")
def test_renderings_of_one_template_do_not_mix() -> None:
    source = "{% macro m(i) %}{{ i }}{% endmacro %}{% for x in messages %}{{ m(x.content) }};{% endfor %}"
    template = ChatTemplate(source)
    texts = [[{"role": "user", "content": f"{which}{i}"} for i in range(8)] for which in "ab"]
    steps = [template.prompt_steps(messages) for messages in texts]
    results: list[Any] = [None, None]
    while None in results:
        for i, rendering in enumerate(steps):
            if results[i] is None:
                try:
                    next(rendering)
                except StopIteration as stop:
                    results[i] = stop.value.text
    assert results == ["".join(f"{which}{i};" for i in range(8)) for which in "ab"]


@pytest.mark.usefixtures("eager")
def test_a_rendering_that_is_stopped_leaves_nothing() -> None:
    template = ChatTemplate("{% macro m(i) %}{{ i }}{% endmacro %}{% for i in range(50) %}{{ m(i) }}{% endfor %}")
    for taken in (0, 1, 2, 7):
        steps = template.prompt_steps(MESSAGES)
        for _ in range(taken):
            next(steps)
        steps.close()
    assert template.render(MESSAGES) == "".join(map(str, range(50)))


@pytest.mark.usefixtures("eager")
def test_each_rendering_has_its_own_budget() -> None:
    """One that pauses does not pay for another, and its waiting is free."""
    template = ChatTemplate(
        "{% for i in range(n) %}{% for j in range(1000) %}{% set x = j %}{% endfor %}{% endfor %}done"
    )
    patient = template.prompt_steps(MESSAGES, n=1)
    next(patient)
    with pytest.raises(TemplateError, match="too many steps"):
        count(template.prompt_steps(MESSAGES, n=1000))
    assert count(patient)[1] == "done"
