"""`--device` and `--threads` of the commands that compute."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from ..runtime.choice import NAMES, NUMPY, all_cores, devices, use_device


def add_device(parser: argparse.ArgumentParser, default: str = NUMPY) -> None:
    parser.add_argument("--device", choices=NAMES, default=default, help=f"where to compute; {default} if not given")
    parser.add_argument("--threads", type=int, metavar="N", help="of the simd device, 1 … 16; one a core if not given")


@contextmanager
def chosen(args: argparse.Namespace) -> Iterator[None]:
    """Prefer the device that the command line names, within the block. Raises `DeviceError` if it cannot be opened."""
    before = devices.preference
    try:
        use_device(args.device, threads=all_cores() if args.threads is None else args.threads)
        yield
    finally:
        devices.prefer(before)
