"""Every kernel of a device against NumPy in float64, on random shapes: for tests, and for users' own machines."""

from ..kernels import import_families
from . import cases
from .check import Checked, check_device, error, on_device, reference

__all__ = ["Checked", "cases", "check_device", "error", "on_device", "reference"]

import_families(__name__)
