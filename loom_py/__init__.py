"""LOOM: neural networks that live in a web page, and small language models beside them."""

from typing import TYPE_CHECKING, Any

from .compat import welvet as simple
from .compat.import_name import provide as provide_welvet
from .errors import LoomError
from .network.blueprint import network_blueprint
from .network.bundle import dump_bundle, save_bundle
from .network.layer_init import call_layer_init, list_layer_init_functions
from .network.loading import build_network_from_json, load_model, load_model_from_string
from .network.model_bundle import ModelBundle, load_bundle, load_bundle_from_string
from .network.network import Network
from .observe.adaptation import AdaptationComparison, AdaptationTracker
from .runtime.choice import devices, use_device
from .stepping import StepState, TargetQueue
from .training.classification import ClassificationReport
from .training.config import TrainingBatch, TrainingConfig
from .training.evaluation import DeviationMetrics
from .training.result import TrainingResult
from .tween import TweenConfig, TweenState, step_tween_chain
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .generation.loading import load_tokenizer

__all__ = [
    "AdaptationComparison",
    "AdaptationTracker",
    "ClassificationReport",
    "DeviationMetrics",
    "LoomError",
    "ModelBundle",
    "Network",
    "StepState",
    "TargetQueue",
    "TrainingBatch",
    "TrainingConfig",
    "TrainingResult",
    "TweenConfig",
    "TweenState",
    "build_network_from_json",
    "call_layer_init",
    "devices",
    "dump_bundle",
    "list_layer_init_functions",
    "load_bundle",
    "load_bundle_from_string",
    "load_model",
    "load_model_from_string",
    "load_tokenizer",
    "network_blueprint",
    "provide_welvet",
    "save_bundle",
    "simple",
    "step_tween_chain",
    "use_device",
]


def __getattr__(name: str) -> Any:
    """What a page without language models need not import: the tokenizers' modules."""
    if name == "load_tokenizer":
        from .generation.loading import load_tokenizer

        return load_tokenizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
