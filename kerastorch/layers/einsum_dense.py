"""EinsumDense."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import torch
from torch import nn

from kerastorch import activations, constraints, initializers, regularizers
from kerastorch.layers.arguments import sizes
from kerastorch.layers.base import Layer
from kerastorch.nn.einsum import Einsum
from kerastorch.variables import IDENTITY, TRANSPOSED

__all__ = ["EinsumDense"]

_KERAS3_ARGUMENTS = ("lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config")


class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    equation: such as 'abc,cd->abd', or with '...' at the beginning or end of inputs and outputs.
    output_shape: without the batch and what '...' stands for; None where a size is the input's.
    bias_axes: letters of the output that the bias has.
    Shapes: as the equation says. kernel: as its second part says; bias: of the sizes of bias_axes.
    Raises ValueError for an equation of another form, and for sizes that are negative, contradict it or are not known.
    Keras: tf.keras.layers.EinsumDense; torch: nn.Linear where it is one, else einsum (kerastorch.nn.einsum.Einsum).
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        keras3 = {key: kwargs.pop(key, None) for key in _KERAS3_ARGUMENTS}
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        given = {key: value for key, value in keras3.items() if value is not None}
        if given:
            raise ValueError(
                f"EinsumDense '{self.name}': {given} is not supported. Leave it out; adapt the layer with a torch tool."
            )
        self.equation, self.bias_axes = equation, bias_axes
        self.partial_output_shape = sizes(self, "output_shape", output_shape)
        self.activation = activations.get(activation)
        self.kernel_initializer, self.bias_initializer = (
            initializers.get(kernel_initializer),
            initializers.get(bias_initializer),
        )
        self.kernel_regularizer, self.bias_regularizer = (
            regularizers.get(kernel_regularizer),
            regularizers.get(bias_regularizer),
        )
        self.kernel_constraint, self.bias_constraint = (
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias of the sizes that the equation gives."""
        shapes = self._analyze(tuple(input_shape))
        if None in shapes.kernel or (shapes.bias is not None and None in shapes.bias):
            raise ValueError(
                f"EinsumDense '{self.name}': the sizes of kernel {shapes.kernel} and bias {shapes.bias} must be "
                "known, got input "
                f"shape {input_shape} for equation '{self.equation}' and "
                f"output_shape={self.partial_output_shape}. Give them."
            )
        layout = IDENTITY
        if self._is_linear(shapes):
            layout = TRANSPOSED
            self.product: nn.Module = nn.Linear(*shapes.kernel, bias=shapes.bias is not None, device="meta")
        else:
            self.product = Einsum(self.equation, shapes.kernel, shapes.bias, device="meta")
        options = (self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint)
        self.kernel = self.add_variable("kernel", self.product, "weight", layout, *options)
        self.bias = None
        if shapes.bias is not None:
            options = (self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            self.bias = self.add_variable("bias", self.product, "bias", IDENTITY, *options)
        self.full_output_shape = shapes.output
        self.built = True

    def _is_linear(self, shapes: _Shapes) -> bool:
        """Whether the last axis is all that the equation multiplies: '...x,xy->...y', 'abc,cd->abd'."""
        match = re.fullmatch(r"(.*)(\w),(\w)(\w)->(.*)(\w)", self.equation)
        if match is None:
            return False
        before, last, weight_in, weight_out, output_before, output_last = match.groups()
        fits = before == output_before and last == weight_in and output_last == weight_out
        return (
            fits
            and (shapes.bias is None or len(shapes.bias) == 1)
            and last not in before
            and output_last not in before + last
        )

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The activated product."""
        return self.activation(self.product(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the equation says."""
        return self._analyze(tuple(input_shape)).output

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "output_shape": list(self.partial_output_shape)}

    def _fail(self, problem: str) -> Any:
        raise ValueError(f"EinsumDense '{self.name}', equation '{self.equation}': {problem}")

    def _analyze(self, input_shape: tuple[int | None, ...]) -> _Shapes:
        """The shapes of kernel, bias and output for an input's."""
        match = re.fullmatch(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?", self.equation)
        left, inputs, right, weights, left_out, outputs, right_out = match.groups() if match else (None,) * 7
        if match is None or left != left_out or right != right_out or (left and right):
            return self._fail(
                "Invalid einsum equation. Equations must be in the form [X],[Y]->[Z], ...[X],[Y]->...[Z], or "
                "[X]...,[Y]->[Z]...."
            )
        elided = len(input_shape) - len(inputs)
        if elided < 0 or (elided and not (left or right)):
            self._fail(
                f"the input has {len(input_shape)} axes (shape {input_shape}), the equation names {len(inputs)}."
            )
        rest = input_shape[:elided] if left else input_shape[len(inputs) :]
        named = input_shape[elided:] if left else input_shape[: len(inputs)]
        given = self.partial_output_shape if left and elided else (input_shape[0], *self.partial_output_shape)
        if right and len(given) == len(outputs) + elided:
            given = given[: len(outputs)]  # output_shape may name the axes behind, too
        if len(given) != len(outputs):
            self._fail(
                f"output_shape={self.partial_output_shape} does not fit the output '{outputs}', the batch left out."
            )
        sizes: dict[str, int | None] = dict(zip(inputs, named, strict=True))
        for letter, size in zip(outputs, given, strict=True):
            known = sizes.get(letter)
            if letter in sizes and size is not None and known is not None and size != known:
                self._fail(
                    f"Input shape and output shape do not match at shared dimension '{letter}'. Input shape is "
                    f"{known}, and "
                    f"output shape is {size}."
                )
            if letter not in inputs and letter not in weights:
                self._fail(
                    f"Dimension '{letter}' was specified in the output '{outputs}' but has no corresponding dim "
                    "in the input "
                    f"spec '{inputs}' or weight spec '{weights}'"
                )
            sizes[letter] = known if size is None else size
        if missing := [letter for letter in weights if letter not in sizes]:
            self._fail(
                f"Weight dimension '{missing[0]}' did not have a match in either the input spec '{inputs}' or the "
                "output spec "
                f"'{outputs}'. For this layer, the weight must be fully specified."
            )
        output = [sizes[letter] for letter in outputs]
        bias = self._bias_shape(outputs, sizes, len(rest) if right else 0)
        return _Shapes(tuple(sizes[x] for x in weights), bias, tuple((*rest, *output) if left else (*output, *rest)))

    def _bias_shape(
        self, outputs: str, sizes: dict[str, int | None], elided_right: int
    ) -> tuple[int | None, ...] | None:
        if self.bias_axes is None:
            return None
        for letter in self.bias_axes:
            if letter not in outputs:
                self._fail(f"Bias dimension '{letter}' was requested, but is not part of the output spec '{outputs}'")
        first = min(outputs.find(letter) for letter in self.bias_axes)
        shape = [sizes[letter] if letter in self.bias_axes else 1 for letter in outputs[first:]]
        return (*shape, *(1,) * elided_right)


class _Shapes(NamedTuple):
    kernel: tuple[int | None, ...]
    bias: tuple[int | None, ...] | None
    output: tuple[int | None, ...]
