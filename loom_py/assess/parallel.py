"""Run jobs in parallel processes or on a cluster through joblib, or serially without it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import InputError
from .runs import Job, run

REMEDY = "Install it (pip install joblib), or run in one process (--processes 1)."


def results(
    jobs: Sequence[Job], processes: int = 1, backend: str = "", address: str = ""
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (index in `jobs`, record) for each job in order of completion.

    **Arguments:**

    - `processes`: number of parallel jobs; 0 for one per CPU, or for as many as a cluster has.
    - `backend`: joblib's name for it: `"loky"` (its default), `"multiprocessing"`, `"threading"`, `"dask"`, `"ray"`, or
      any other registered backend. Empty with one process: joblib is not used.
    - `address`: of a Dask scheduler or a Ray cluster; a local one is started if omitted.
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
        os.environ.update(dict.fromkeys(THREADS, "1"))  # inherited by workers started from here
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
"""Limit BLAS threads: small matrices gain nothing from them, and many threads per process compete for cores."""


def _pool(joblib: Any, backend: str, count: int) -> Any:
    """`joblib.Parallel` on that backend, through `parallel_config`, which is the only way to find Dask's."""
    try:
        with joblib.parallel_config(backend=backend, n_jobs=count):
            try:
                return joblib.Parallel(return_as="generator_unordered")
            except ValueError as error:
                if "return_as" not in str(error):
                    raise
                return joblib.Parallel()  # this backend returns all results at the end
    except ValueError as error:
        raise InputError(
            f"joblib has no backend {backend!r}",
            where="backend",
            remedy="For example loky, multiprocessing, dask or ray.",
        ) from error


def _numbered(i: int, job: Job) -> tuple[int, dict[str, Any]]:
    return i, run(job)


def _connect(backend: str, address: str, count: int) -> Callable[[], object]:
    """Register a cluster with joblib; returns a function that disconnects."""
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
        raise InputError("only Dask and Ray take an address", where="address", remedy="Set backend to dask or ray.")
    return lambda: None


def _module(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        remedy = REMEDY if package == "joblib" else f"Install the package {package}."
        raise InputError(f"{package} is not installed", where=where, remedy=remedy) from error
