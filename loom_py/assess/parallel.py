"""Jobs spread over processes, or over a cluster, by joblib; one after the other without it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import InputError
from .runs import Job, run

REMEDY = 'Install it (pip install "loom_py[assess]"), or run in one process (--processes 1).'


def results(
    jobs: Sequence[Job], processes: int = 1, backend: str = "", address: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of each job in `jobs` with its record, in the order in which they are done.

    **Arguments:**

    - `processes`: how many at a time; 0 for one a processor; with a cluster as many as it has.
    - `backend`: joblib's name for it: `"loky"` (its default), `"multiprocessing"`, `"threading"`, `"dask"`, `"ray"`, or
      any other that was registered. Empty and one process: no joblib at all.
    - `address`: of a Dask scheduler or a Ray cluster; a local one is started if left out.
    """
    if processes < 0:
        raise InputError(f"{processes} is below 0", where="processes")
    count = processes or os.cpu_count() or 1
    if count == 1 and not backend:
        return ((i, run(job)) for i, job in enumerate(jobs))
    return _joblib(jobs, count, backend or "loky", address)


def _joblib(jobs: Sequence[Job], count: int, backend: str, address: str) -> Iterator[tuple[int, dict[str, Any]]]:
    joblib = _module("joblib", "processes" if backend == "loky" else "backend")
    close = _connect(backend, address, count)
    try:
        cluster = backend in ("dask", "ray")
        kept = [(name, os.environ.get(name)) for name in THREADS]
        os.environ.update(dict.fromkeys(THREADS, "1"))  # what workers started from here inherit
        try:
            pool = _pool(joblib, backend, -1 if cluster else count)
            yield from pool(joblib.delayed(_numbered)(i, job) for i, job in enumerate(jobs))
        finally:
            for name, value in kept:
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
    finally:
        close()


THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Small matrices gain nothing from threads, and processes that each start many get in each other's way."""


def _pool(joblib: Any, backend: str, count: int) -> Any:
    """`joblib.Parallel` on that backend; by `parallel_config`, which alone knows how to find Dask's."""
    try:
        with joblib.parallel_config(backend=backend, n_jobs=count):
            try:
                return joblib.Parallel(return_as="generator_unordered")
            except ValueError as error:
                if "return_as" not in str(error):
                    raise
                return joblib.Parallel()  # such a backend gives all results at the end
    except ValueError as error:
        raise InputError(
            f"joblib has no backend {backend!r}", where="backend", remedy="Such as loky, multiprocessing, dask or ray."
        ) from error


def _numbered(i: int, job: Job) -> tuple[int, dict[str, Any]]:
    return i, run(job)


def _connect(backend: str, address: str, count: int) -> Callable[[], object]:
    """Make a cluster known to joblib → how to leave it."""
    if backend == "dask":
        client = _module("distributed", "backend").Client
        local = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None}
        return (client(address) if address else client(**local)).close
    if backend == "ray":
        ray = _module("ray", "backend")
        _module("ray.util.joblib", "backend").register_ray()
        if not ray.is_initialized():
            ray.init(address=address or None)
        return ray.shutdown
    if address:
        raise InputError("only Dask and Ray have addresses", where="address", remedy="Name one by the backend.")
    return lambda: None


def _module(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        remedy = REMEDY if package == "joblib" else f"Install the package {package}."
        raise InputError(f"{package} is not installed", where=where, remedy=remedy) from error
