"""The kernel vocabulary: everything a layer or a model may ask of a device.

Written by `python -m tools.make_ops` from the functions declared in `kernels/`, where their whole documentation stands,
a file a family; a test fails when one is stale. It is for type checkers: `NumpyOps` and `TracingOps` take their methods
from the declarations.

A layer's `forward` and `backward` call these and nothing else, so the same code runs eagerly on NumPy and can be
recorded once and replayed elsewhere. What that asks of a caller:

- shapes and dtypes are known from the arguments; no Python branch looks at a value;
- every function returns new tensors, except for the operands named *in place*: parameters, optimiser state, caches;
- floating tensors keep their dtype (float32, or float64 for gradient checks); sums accumulate at least in float32.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Numbers named *dynamic* may change from
replay to replay.
"""

from __future__ import annotations

from .activation import ActivationOps
from .attention import AttentionOps
from .batch_norm import BatchNormOps
from .conv import ConvOps
from .elementwise import ElementwiseOps
from .embedding import EmbeddingOps
from .experts import ExpertsOps
from .linear import LinearOps
from .loss import LossOps
from .matmul import MatmulOps
from .noise import NoiseOps
from .norm import NormOps
from .optimiser import OptimiserOps
from .recurrent import RecurrentOps
from .reduction import ReductionOps
from .rope import RopeOps
from .sampling import SamplingOps
from .shape import ShapeOps
from .short_conv import ShortConvOps
from .softmax import SoftmaxOps
from .tensor import Tensor

__all__ = ["Ops", "Tensor"]


class Ops(
    ActivationOps,
    AttentionOps,
    BatchNormOps,
    ConvOps,
    ElementwiseOps,
    EmbeddingOps,
    ExpertsOps,
    LinearOps,
    LossOps,
    MatmulOps,
    NoiseOps,
    NormOps,
    OptimiserOps,
    RecurrentOps,
    ReductionOps,
    RopeOps,
    SamplingOps,
    ShapeOps,
    ShortConvOps,
    SoftmaxOps,
):
    """One device's kernels. A subclass has every method."""
