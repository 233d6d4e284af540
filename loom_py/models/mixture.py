"""Mixtures of experts in place of a gated MLP (Shazeer et al. 2017; Jiang et al. 2024), for families that have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .blocks import by_segment, gated
from .gguf_config import GGUFConfig
from .protocols import Chunk, Kept, Tensors, Weight


@dataclass(frozen=True)
class Mixture:
    """One layer's experts, gated MLPs of which a router chooses some for each token.

    - `experts`, `chosen`: how many there are, and how many a token has.
    - `inner`: width of each.
    - `normalised`: whether the probabilities of a token's experts are divided by their sum.
    - `names`: of each expert's gate, up and down matrices.
    """

    experts: int
    chosen: int
    inner: int
    normalised: bool
    names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")

    @classmethod
    def read(
        cls,
        fields: Fields,
        inner: int,
        *,
        experts: int,
        chosen: int,
        normalised: bool | None = None,
        names: tuple[str, str, str] = names,
    ) -> Mixture:
        """From `config.json`.

        **Arguments:** what is taken for granted where the file does not say it, and `normalised` where the family
        knows.
        """
        count = fields.integer("num_experts", "num_local_experts", default=experts, maximum=1 << 14)
        used = fields.integer("num_experts_per_tok", default=chosen, maximum=1 << 14)
        if used > count:
            raise fields.error(f"{used} are more than the {count} experts", "num_experts_per_tok")
        return cls(count, used, inner, fields.boolean("norm_topk_prob") if normalised is None else normalised, names)

    def weights(self, module: str, blk: str, hidden: int) -> Iterator[Weight]:
        """The router, and each matrix of all experts, one expert's rows behind the other's."""
        yield Weight(f"{module}.gate.weight", (self.experts, hidden), gguf=f"{blk}.ffn_gate_inp.weight")
        shapes = (self.inner, hidden), (self.inner, hidden), (hidden, self.inner)
        for name, gguf, (rows, columns) in zip(self.names, ("gate", "up", "down"), shapes, strict=True):
            yield Weight(
                f"{module}.experts.{name}.weight",
                (self.experts * rows, columns),
                parts=tuple(f"{module}.experts.{i}.{name}.weight" for i in range(self.experts)),
                gguf=f"{blk}.ffn_{gguf}_exps.weight",
                gguf_parts=tuple(f"{blk}.ffn_{gguf}.{i}.weight" for i in range(self.experts)),  # before April 2024
                gguf_shape=(self.experts, rows, columns),
            )

    def gguf_entries(self) -> dict[str, int]:
        """What `gguf_mixture` reads, and the width, to be written."""
        counts = {"expert_count": self.experts, "expert_used_count": self.chosen}
        return {**counts, "expert_feed_forward_length": self.inner}

    def kept(self) -> dict[str, Kept]:
        """The ids of each token's experts, the most likely first: what a caller may want to see."""
        return {"experts": Kept((self.chosen,), dtype="int64")}

    def apply(
        self, ops: Ops, weights: Tensors, module: str, x: Tensor, chunk: Chunk, layer: int, activation: str
    ) -> Tensor:
        """Σ over a token's experts of probability · down(f(gate(x)) · up(x)); x (T, hidden)."""
        gate, up, down = (weights[f"{module}.experts.{name}.weight"] for name in self.names)
        ids, probabilities = ops.route(
            ops.linear(x, weights[f"{module}.gate.weight"]), self.chosen, normalised=self.normalised
        )
        for segment, (own,) in by_segment(ops, chunk, ids):
            ops.cache_write(segment.cache[layer]["experts"], own, segment.position)
        rows = ops.reshape(x, (x.shape[0], 1, x.shape[1]))
        opened, plain = (ops.expert_linear(rows, ids, w, self.experts) for w in (gate, up))
        parts = ops.expert_linear(gated(ops, activation, opened, plain), ids, down, self.experts)
        return ops.mix(probabilities, parts)


def gguf_mixture(gguf: GGUFConfig) -> dict[str, int]:
    """What a `config.json` says of the experts in a GGUF file."""
    return {"num_local_experts": gguf.integer("expert_count"), "num_experts_per_tok": gguf.integer("expert_used_count")}
