"""The runtime's ``pyconfig.h``, made from Debian's and the values that Pyodide's standard library records.

Debian's header belongs to a 64-bit Linux; the names in it are right for the version of Python, the values are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_DEFINED = re.compile(r"#define (\w+)(?: .*)?$")
_UNDEFINED = re.compile(r"/\* #undef (\w+) \*/$")


def translate(header: str, values: Mapping[str, object]) -> str:
    """``header`` with the value of every known name replaced.

    ``values`` are the runtime's sysconfig variables. There 0 stands for a name that is not defined, except for
    ``HAVE_DECL_…``, which Autoconf always defines, as 0 or 1.
    """
    lines = []
    for line in header.splitlines():
        match = _DEFINED.match(line) or _UNDEFINED.match(line)
        if match:
            name = match.group(1)
            value = values.get(name, 0)
            if value == 0 and not name.startswith("HAVE_DECL_"):
                line = f"/* #undef {name} */"
            else:
                line = f"#define {name} {value}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def variables(module: str) -> dict[str, object]:
    """The build variables in the text of a ``_sysconfigdata_…`` module."""
    namespace: dict[str, dict[str, object]] = {}
    exec(compile(module, "_sysconfigdata", "exec"), namespace)  # Pyodide's own file, checked by npm's hash
    return namespace["build_time_vars"]
