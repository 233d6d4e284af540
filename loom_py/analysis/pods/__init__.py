"""Primitives beyond neural networks: linear algebra, scans, signals, paths, images, packing.

NumPy does the work; these functions check their input and run batched, without Python loops where possible.
"""

from .astar import astar
from .frustum import cull_frustum, frustum_planes
from .gemm import gemm
from .normalise import layernorm, softmax
from .reduce import reduce
from .scan import exclusive_scan, inclusive_scan
from .stft import Spectrogram, hann, istft, stft
from .varint import decode_varints, delta_pack, delta_unpack, encode_varints
from .yuv import rgb_to_yuv444, yuv444_to_rgb

__all__ = [
    "Spectrogram",
    "astar",
    "cull_frustum",
    "decode_varints",
    "delta_pack",
    "delta_unpack",
    "encode_varints",
    "exclusive_scan",
    "frustum_planes",
    "gemm",
    "hann",
    "inclusive_scan",
    "istft",
    "layernorm",
    "reduce",
    "rgb_to_yuv444",
    "softmax",
    "stft",
    "yuv444_to_rgb",
]
