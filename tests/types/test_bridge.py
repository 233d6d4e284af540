"""`web/engine/bridge.d.ts` says what Python offers to JavaScript: functions and parameters are those of Python."""

from __future__ import annotations

import inspect
import re

from loom_py.bridge import api
from tools import paths

DECLARATIONS = paths.REPOSITORY / "web" / "engine" / "bridge.d.ts"
METHOD = re.compile(r"^  (\w+)\(([^;]*)\): [^;]*;$", re.MULTILINE)


def declared() -> dict[str, list[str]]:
    """Function → its parameters by their names in Python."""
    text = DECLARATIONS.read_text(encoding="utf-8").partition("export interface Bridge {")[2]
    functions: dict[str, list[str]] = {}
    for name, parameters in METHOD.findall(re.sub(r"\{ [^}]*\}", "object", text)):
        names = [part.partition(":")[0].strip(" ?") for part in parameters.split(",") if part.strip()]
        functions[name] = [parameter.rstrip("_") for parameter in names]
    return functions


def test_every_declared_function_has_the_parameters_that_it_has_in_python() -> None:
    functions = declared()
    assert len(functions) > 40
    for name, parameters in functions.items():
        assert list(inspect.signature(getattr(api, name)).parameters) == parameters, name


def test_every_function_that_javascript_calls_is_declared() -> None:
    calls: set[str] = set()
    for folder in ("api", "devices", "engine"):
        for path in (paths.REPOSITORY / "web" / folder).glob("*.js"):
            calls.update(re.findall(r"\b(?:b|bridge)\.([a-z_]+)\(", path.read_text(encoding="utf-8")))
    assert calls >= {"create_network", "task_advance"}
    assert calls <= set(declared())
