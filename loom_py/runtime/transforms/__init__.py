"""Transforms: functions from a `Program` to a `Program`, shared by all devices, one a file.

`differentiate` appends the gradients of an output; the others give an equivalent program.

A transform never changes the program it is given, keeps the names of inputs, outputs, state and dynamic parameters, and
may drop a dispatch only by one rule:

- its effect is not observable (as `remove_dead_code` defines it), or
- another dispatch now makes its results (`fuse`), or
- the results are already where they belong (`simplify`).
"""

from .dead_code import remove_dead_code
from .differentiate import differentiate
from .fuse import fuse
from .simplify import simplify

__all__ = ["differentiate", "fuse", "remove_dead_code", "simplify"]
