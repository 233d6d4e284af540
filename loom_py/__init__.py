"""LOOM: neural networks that live in a web page, and small language models beside them."""

from . import simple
from .config import build_network_from_json
from .errors import LoomError
from .formats.bundle import (
    dump_bundle,
    load_bundle,
    load_bundle_file,
    load_model,
    load_model_from_string,
    save_bundle,
)
from .layer_init import call_layer_init, list_layer_init_functions
from .network import Network
from .training.classification import ClassificationReport
from .training.config import TrainingBatch, TrainingConfig, TrainingResult
from .training.evaluation import DeviationMetrics

__version__ = "0.1.0"
__all__ = [
    "ClassificationReport",
    "DeviationMetrics",
    "LoomError",
    "Network",
    "TrainingBatch",
    "TrainingConfig",
    "TrainingResult",
    "build_network_from_json",
    "call_layer_init",
    "dump_bundle",
    "list_layer_init_functions",
    "load_bundle",
    "load_bundle_file",
    "load_model",
    "load_model_from_string",
    "save_bundle",
    "simple",
]
