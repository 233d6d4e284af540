"""`quantization_config` of a `config.json`: which quantised weights in Hugging Face's layout are read."""

from __future__ import annotations

from ..errors import ModelError
from ..schema.fields import Fields

BLOCK = (128, 128)
UNQUANTISED = "Use unquantised weights, or a GGUF of the model."
_NAMES = {"gptq": "GPTQ", "awq": "AWQ", "bitsandbytes": "bitsandbytes", "mxfp4": "MXFP4", "hqq": "HQQ"}
_FORMATS = ("float-quantized", "int-quantized", "naive-quantized")


def check_quantisation(fields: Fields) -> tuple[int, int]:
    """Rows and columns of a block of weights that shares a scale, where scales come by block.

    Read are matrices of eight bits with scales beside them: `fp8`, `fbgemm_fp8`, and `compressed-tensors` with float8
    or symmetric int8. What such a file says of activations is left alone: they stay exact. Raises `ModelError` for
    weights that are quantised in another way.
    """
    key = next((key for key in ("quantization_config", "compression_config") if fields.has(key)), None)
    if key is None:
        return BLOCK
    inner = fields.object(key)
    method = inner.string("quant_method", default=None)
    if method == "fp8" and inner.has("weight_block_size"):
        sizes = inner.integers("weight_block_size", minimum=1)
        if len(sizes) != 2:
            raise inner.error(f"expected rows and columns, got {len(sizes)} numbers", "weight_block_size")
        return sizes[0], sizes[1]
    if method in ("fp8", "fbgemm_fp8"):
        return BLOCK
    if method == "compressed-tensors":
        return _compressed(inner)
    if method is None:
        method = "bitsandbytes" if inner.has("load_in_4bit", "load_in_8bit") else "an unnamed method"
    by = _NAMES.get(method, method[:60])
    raise ModelError(f"the weights are quantised by {by}, which is not read", where=fields.at(key), remedy=UNQUANTISED)


def _compressed(inner: Fields) -> tuple[int, int]:
    """All groups of layers must be in the same blocks."""
    kind, block = inner.string("format", default=""), BLOCK
    groups = inner.object("config_groups")
    for name in groups.values:
        group = groups.object(name)
        if not group.has("weights"):
            continue
        weights, kind = group.object("weights"), group.string("format", default=kind)
        if weights.integer("num_bits", default=8) != 8 or not weights.boolean("symmetric", default=True):
            message = "the weights are quantised by compressed-tensors to other numbers than symmetric ones of 8 bits"
            raise ModelError(f"{message}, which are not read", where=weights.path, remedy=UNQUANTISED)
        if weights.has("block_structure"):
            sizes = weights.integers("block_structure", minimum=1)
            if len(sizes) != 2:
                raise weights.error(f"expected rows and columns, got {len(sizes)} numbers", "block_structure")
            block = sizes[0], sizes[1]
    if kind not in _FORMATS:
        message = f"the weights are quantised by compressed-tensors ({kind[:60]}), which is not read"
        raise ModelError(message, where=inner.at("format"), remedy=UNQUANTISED)
    return block
