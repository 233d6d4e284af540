"""LOOM: neural networks that live in a web page, and small language models beside them."""

from . import simple
from .config import build_network_from_json
from .errors import LoomError
from .formats.bundle import dump_bundle, load_bundle, load_model_from_string
from .network import Network
from .training.config import TrainingBatch, TrainingConfig, TrainingResult
from .training.evaluation import DeviationMetrics

__version__ = "0.1.0"
__all__ = [
    "DeviationMetrics",
    "LoomError",
    "Network",
    "TrainingBatch",
    "TrainingConfig",
    "TrainingResult",
    "build_network_from_json",
    "dump_bundle",
    "load_bundle",
    "load_model_from_string",
    "simple",
]
