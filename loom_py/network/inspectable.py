"""The methods of a network for inspection: layers, activations, gradients, sizes, and its own methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..marks import Floats
from ..nn.activation import NAMES
from ..nn.grid import Grid
from ..nn.layer import Array
from . import reflection
from .blueprint import blueprint
from .layer_config import to_config


class Inspectable(Grid):
    """Mixed into `Network`: methods that read it and change nothing."""

    def total_layers(self) -> int:
        """Number of layers in the grid."""
        return len(self.layers)

    def get_network_info(self) -> dict[str, int]:
        """Grid size, batch size and layer count."""
        names = ("grid_rows", "grid_cols", "layers_per_cell", "batch_size")
        return {name: getattr(self, name) for name in names} | {"total_layers": len(self.layers)}

    def get_activation(self, row: int, col: int, layer: int) -> int:
        """Id of the activation of the layer in that cell (see `nn.activation`); 5, linear, for layers without one."""
        return NAMES.index(self.layers[self.index_of(row, col, layer)].activation)

    def get_layer(self, row: int, col: int, layer: int) -> dict[str, Any]:
        """The layer in that cell with its weights, in the original's field names (`LayerConfig`)."""
        return to_config(self.layers[i := self.index_of(row, col, layer)], self.params[i])

    def get_blueprint(self, model_id: str = "") -> dict[str, Any]:
        """Layers, shapes and parameter counts, without weights."""
        return blueprint(self, model_id or self.model_id)

    def activations(self) -> list[Floats]:
        """Input and every layer's output of the last forward pass, flat."""
        return [a.flatten() for a in self.pass_outputs]

    def kernel_gradients(self) -> list[Floats | None]:
        """Per layer the flat weight gradient of the last backward pass, in the original's order; None before one."""
        return [_join(parts) for parts, _ in self._flat_gradients()]

    def bias_gradients(self) -> list[Floats | None]:
        """Per layer the flat bias gradient; None for layers that count their biases as kernel (RNN, LSTM)."""
        return [_join(parts) for _, parts in self._flat_gradients()]

    def _flat_gradients(self) -> list[tuple[list[Array], list[Array]]]:
        if self.gradient_trees is None:
            return [([], []) for _ in self.layers]
        return [layer.gradients_flat(g) for layer, g in zip(self.layers, self.gradient_trees, strict=True)]

    def list_methods(self) -> list[str]:
        """Names of all methods that can be called from JavaScript, sorted."""
        return sorted(reflection.methods(type(self)))

    def get_methods(self) -> list[Mapping[str, Any]]:
        """All methods with parameter names, types, results and descriptions."""
        return reflection.describe(type(self))

    def get_methods_json(self) -> str:
        """`get_methods` as indented JSON text."""
        return reflection.describe_json(type(self))

    def get_method_signature(self, name: str) -> str:
        """For example `ForwardCPU([]float32) ([]float32, time.Duration)`."""
        return reflection.signature(type(self), name)

    def has_method(self, name: str) -> bool:
        """Whether a method of that name can be called."""
        return name in reflection.methods(type(self))


def _join(parts: list[Array]) -> Array | None:
    return np.concatenate([p.ravel() for p in parts]) if parts else None
