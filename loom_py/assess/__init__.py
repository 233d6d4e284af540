"""The original's tests 1 to 19 as seeded experiments, with the baselines they lack."""

from .assessment import assess, check
from .claims import CLAIMS
from .experiment import Experiment
from .experiments import EXPERIMENTS, Options
from .methods import METHODS
from .plots import plot
from .report import text
from .runs import Job, run
from .statistics import Summary, paired
from .worlds import ChaseWorld

__all__ = [
    "CLAIMS",
    "EXPERIMENTS",
    "METHODS",
    "ChaseWorld",
    "Experiment",
    "Job",
    "Options",
    "Summary",
    "assess",
    "check",
    "paired",
    "plot",
    "run",
    "text",
]
