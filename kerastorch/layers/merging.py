"""Layers of several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot; and as functions."""

from __future__ import annotations

import functools
import operator
import string
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from kerastorch.layers.base import Layer
from kerastorch.layers.ranks import RankedLayer
from kerastorch.nn.merging import JoinMasks

__all__ = [
    "Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract",
    "add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract",
]  # fmt: skip

Shape = tuple[int | None, ...]


class _Merge(RankedLayer):
    """The base of layers that are called on a list of inputs.

    keras3_masking: masks count as in Keras 3, in whose files they do: what is masked is left out of products and extremes, and
    the output is masked where all inputs are, if all have masks.
    """

    supports_masking = True
    _inputs_wanted: int | None = None

    def __init__(self, *, keras3_masking: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keras3_masking = keras3_masking

    def get_config(self) -> dict[str, Any]:
        """The arguments; `keras3_masking` where it is set."""
        config = super().get_config()
        config.pop("keras3_masking", None)
        return {**config, "keras3_masking": True} if self.keras3_masking else config

    @property
    def _title(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    def _check_list(self, shapes: Any) -> list[Shape]:
        is_list = (
            isinstance(shapes, (list, tuple)) and len(shapes) > 0 and all(isinstance(s, (list, tuple)) for s in shapes)
        )
        if not is_list:
            raise ValueError(
                f"{self._title}: A merge layer should be called on a list of inputs, got input shape(s) {shapes}. "
                "Write layer([x, y])."
            )
        if self._inputs_wanted is not None and len(shapes) != self._inputs_wanted:
            raise ValueError(
                f"{self._title} should be called on exactly {self._inputs_wanted} inputs, got {len(shapes)} of "
                f"shapes {shapes}."
            )
        return [tuple(s) for s in shapes]

    def _check_call(self, inputs: Any) -> list[Any]:
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"{self._title}: A merge layer should be called on a list of inputs, got {type(inputs).__name__}."
            )
        return list(inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the masks of all masked inputs are; with keras3_masking, where any is, if all inputs have masks."""
        masks = self._masks(inputs, mask)
        if self.keras3_masking:
            return functools.reduce(torch.logical_or, masks) if masks and all(m is not None for m in mask) else None
        return functools.reduce(torch.logical_and, masks) if masks else None

    def _masks(self, inputs: Any, mask: Any) -> list[Any]:
        """The inputs' masks, each once, though several inputs may have one and the same."""
        if mask is None:
            return []
        if not isinstance(mask, (list, tuple)) or not isinstance(inputs, (list, tuple)) or len(mask) != len(inputs):
            raise ValueError(
                f"{self._title}: inputs and mask should be lists of the same length, got inputs={inputs!r}, "
                f"mask={mask!r}."
            )
        return list({id(m): m for m in mask if m is not None}.values())


class _Elementwise(_Merge):
    """Merges element by element: shapes broadcast; after the batch, missing axes are put in front."""

    def build(self, input_shape: Any) -> None:
        """Checks that the shapes broadcast, and notes their ranks."""
        shapes = self._check_list(input_shape)
        self.compute_output_shape(shapes)
        rank = max(map(len, shapes))
        self._missing = tuple(rank - len(s) for s in shapes)
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> torch.Tensor:
        """The merged inputs."""
        inputs = self._check_call(inputs)
        masks = mask if self.keras3_masking and isinstance(mask, (list, tuple)) else [None] * len(inputs)
        if any(self._missing):
            masks = [m if n == 0 else None for m, n in zip(masks, self._missing, strict=True)]
            inputs = [_with_axes(x, n) for x, n in zip(inputs, self._missing, strict=True)]
        if all(m is None for m in masks):
            return self._merge(inputs)
        return self._merge_masked(inputs, [None if m is None else m.bool().unsqueeze(-1) for m in masks])

    def _merge(self, inputs: list[Any]) -> Any:
        raise NotImplementedError

    def _merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        """As Keras 3 merges inputs of which some have masks, (batch, ..., 1): sums and differences as without."""
        return self._merge(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The broadcast shape."""
        shapes = self._check_list(input_shape)
        batches = {s[0] for s in shapes if s} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"{self._title}: Cannot merge tensors with different batch sizes, got tensors with shapes {shapes}."
            )
        rest = functools.reduce(functools.partial(self._broadcast, shapes), (s[1:] for s in shapes))
        return (batches.pop() if batches else None, *rest)

    def _broadcast(self, shapes: list[Shape], a: Shape, b: Shape) -> Shape:
        if len(a) < len(b):
            a, b = b, a
        merged = list(a[: len(a) - len(b)])
        for m, n in zip(a[len(a) - len(b) :], b, strict=True):
            if m is not None and n is not None and m != n and 1 not in (m, n):
                raise ValueError(
                    f"{self._title}: Inputs have incompatible shapes: {shapes}; axes must be equal, or 1, to be "
                    "merged element by element."
                )
            # An open axis beside one of several entries must have as many, or one.
            several = {m, n} - {1, None}
            merged.append(several.pop() if several else None if None in (m, n) else 1)
        return tuple(merged)


def _with_axes(x: Any, count: int) -> Any:
    for _ in range(count):
        x = x.unsqueeze(1)
    return x


class Add(_Elementwise):
    """The sum of the inputs, element by element; shapes broadcast. Raises ValueError where they do not.

    Keras: tf.keras.layers.Add; torch: +.
    """

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(operator.add, inputs)


class Subtract(_Elementwise):
    """The first of two inputs minus the second. Raises ValueError for more inputs, and for shapes that do not fit.

    Keras: tf.keras.layers.Subtract; torch: -.
    """

    _inputs_wanted = 2

    def _merge(self, inputs: list[Any]) -> Any:
        return inputs[0] - inputs[1]


class Multiply(_Elementwise):
    """The product of the inputs, element by element; shapes broadcast. Raises ValueError where they do not.

    Keras: tf.keras.layers.Multiply; torch: *.
    """

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(operator.mul, inputs)

    def _merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        product = self._merge([x if m is None else torch.where(m, x, 1) for x, m in zip(inputs, masks, strict=True)])
        if any(m is None for m in masks):
            return product
        return torch.where(functools.reduce(torch.logical_or, masks), product, 0)


class Average(_Elementwise):
    """The mean of the inputs, element by element; shapes broadcast. Raises ValueError where they do not.

    Keras: tf.keras.layers.Average.
    """

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(operator.add, inputs) / len(inputs)


class _Extreme(_Elementwise):
    """The largest or smallest of the inputs, as `_larger` says."""

    _larger: Callable[[Any, Any], Any]

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(type(self)._larger, inputs)

    def _merge_masked(self, inputs: list[Any], masks: list[Any]) -> Any:
        (found, *others), (known, *more) = inputs, masks
        for x, mask in zip(others, more, strict=True):
            x = x if mask is None else torch.where(mask, x, found)
            found = found if known is None else torch.where(known, found, x)
            known = None if known is None or mask is None else known | mask
            found = type(self)._larger(found, x)
        return found


class Maximum(_Extreme):
    """The largest of the inputs, element by element; shapes broadcast. Raises ValueError where they do not.

    Keras: tf.keras.layers.Maximum; torch: maximum.
    """

    _larger = staticmethod(torch.maximum)


class Minimum(_Extreme):
    """The smallest of the inputs, element by element; shapes broadcast. Raises ValueError where they do not.

    Keras: tf.keras.layers.Minimum; torch: minimum.
    """

    _larger = staticmethod(torch.minimum)


class Concatenate(_Merge):
    """The inputs one after the other along an axis.

    Shapes: equal but for `axis`, where they add up. A mask is true where all masks are along what was concatenated.
    Raises ValueError for other shapes, and where it is not called on a list.
    Keras: tf.keras.layers.Concatenate; torch: cat.
    """

    _live = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        shapes = self._check_list(input_shape)
        rank = len(shapes[0])
        problem = any(len(s) != rank for s in shapes) or not -rank <= self.axis < rank
        if not problem:
            self._dim = self.axis % rank
            self._joins_last = self._dim == rank - 1
            sizes = [{s[i] for s in shapes} - {None} for i in range(rank) if i != self._dim]
            problem = any(len(s) > 1 for s in sizes)
        if problem:
            raise ValueError(
                f"{self._title}: A `Concatenate` layer requires inputs with matching shapes except for the "
                "concatenation axis, "
                f"got shapes {shapes} for axis={self.axis}."
            )
        self.built = True

    def call(self, inputs: Any) -> torch.Tensor:
        """The inputs, concatenated."""
        return torch.cat(self._check_call(inputs), dim=self._dim)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The first shape, with the sum of the sizes at `axis`."""
        shapes = self._check_list(input_shape)
        sizes = [s[self.axis] for s in shapes]
        merged = [next((n for n in ns if n is not None), None) for ns in zip(*shapes, strict=True)]
        merged[self.axis] = None if None in sizes else sum(sizes)  # type: ignore[arg-type]
        return tuple(merged)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks concatenated, those of unmasked inputs true; true where they are along the whole last axis, with
        keras3_masking anywhere along it."""
        masks = self._masks(inputs, mask)
        if not masks:
            return None
        # A mask lacks its input's last axis: only when that grows, by inputs of other masks, is there anything along it.
        differ = self._joins_last and (len(masks) > 1 or any(m is None for m in mask))
        return JoinMasks(self._dim, self.keras3_masking and differ)(list(inputs), list(mask))


class Dot(_Merge):
    """Sums of products along one axis of each of two inputs, sample by sample.

    axes: one for both inputs, or a pair. normalize: the inputs are first brought to unit length along it.
    Shapes: (batch, ...a...), (batch, ...b...) -> (batch, the first's other axes, the second's other axes), or
    (batch, 1) where there are none.
    Raises ValueError where the sizes along the axes differ; TypeError where axes is neither int nor list.
    Keras: tf.keras.layers.Dot; torch: einsum.
    """

    _inputs_wanted = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(f"{self._title}: axes must be an int or a pair of ints, got {axes!r}.")
            if len(axes) != 2 or not all(isinstance(a, int) for a in axes):
                raise ValueError(f"{self._title}: axes must be an int or a pair of ints, got {axes!r}.")
            axes = tuple(axes)
        self.axes, self.normalize = axes, normalize

    def _axes_for(self, shapes: list[Shape]) -> tuple[int, int]:
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        for axis, shape in zip(given, shapes, strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(
                    f"{self._title}: axes={self.axes} does not fit inputs of shapes {shapes}; axis 0 is the batch."
                )
        return given[0] % len(shapes[0]), given[1] % len(shapes[1])

    def build(self, input_shape: Any) -> None:
        """Checks the sizes along the axes."""
        shapes = self._check_list(input_shape)
        first, second = self._axes = self._axes_for(shapes)
        if shapes[0][first] != shapes[1][second]:
            raise ValueError(
                f"{self._title}: Incompatible input shapes: axis values {shapes[0][first]} (at axis {first}) != "
                f"{shapes[1][second]} (at axis {second}). Full input shapes: {shapes[0]}, {shapes[1]}"
            )
        letters = iter(string.ascii_lowercase[2:])
        specs = [["a", *(next(letters) for _ in shape[1:])] for shape in shapes]
        specs[0][first] = specs[1][second] = "b"
        output = [*(x for x in specs[0] if x != "b"), *(x for x in specs[1][1:] if x != "b")]
        self._equation = f"{''.join(specs[0])},{''.join(specs[1])}->{''.join(output)}"
        self._is_flat = len(output) == 1
        self.built = True

    def call(self, inputs: Any) -> torch.Tensor:
        """The sums of products."""
        x, y = self._check_call(inputs)
        if self.normalize:
            x, y = F.normalize(x, dim=self._axes[0], eps=1e-6), F.normalize(y, dim=self._axes[1], eps=1e-6)
        if self._is_flat:
            return torch.sum(x * y, dim=1, keepdim=True)
        return torch.einsum(self._equation, x, y)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, the first's other axes, the second's other axes), or (batch, 1)."""
        shapes = self._check_list(input_shape)
        first, second = self._axes_for(shapes)
        rest = [n for i, n in enumerate(shapes[0]) if i not in (0, first)] + [
            n for i, n in enumerate(shapes[1]) if i not in (0, second)
        ]
        return (shapes[0][0], *(rest or [1]))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None."""
        return None


def _as_function(layer: type[Layer]) -> Callable[..., Any]:
    def function(inputs: Any, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    function.__name__ = function.__qualname__ = layer.__name__.lower()
    function.__doc__ = f"`{layer.__name__}(**kwargs)(inputs)`. Keras: tf.keras.layers.{layer.__name__.lower()}."
    return function


add, subtract, multiply = _as_function(Add), _as_function(Subtract), _as_function(Multiply)
average, maximum, minimum = _as_function(Average), _as_function(Maximum), _as_function(Minimum)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`. Keras: tf.keras.layers.concatenate."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """`Dot(axes, normalize, **kwargs)(inputs)`. Keras: tf.keras.layers.dot."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
