"""What the functions of the tables know of their arguments.

These are tensors; or, while a model is lowered, torch.fx's proxies, of which shape and dtype are known from the drawn
graph; or numbers and lists of numbers: constants, and sizes. A shape (`tf.shape(x)`) is a tuple of Python's ints, and so is
whatever is computed from shapes alone: nothing waits for a device, and torch.compile and torch.export see sizes as sizes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from kerastorch.config import get_device, torch_dtype

__all__ = [
    "Array",
    "anchored",
    "apply",
    "as_tensor",
    "axes_of",
    "constant",
    "describe",
    "dtype_of",
    "has_tensors",
    "is_tensor",
    "keeping",
    "mark_sizes",
    "new",
    "rank",
    "sizes_of",
    "static_shape",
    "to_dtype",
]

_here = threading.local()
_SIZES = (240, 480)
"""In the place of an open size, once and once again: what differs then is open too. Many numbers divide them."""


class Array(list):
    """A constant array as nested lists, which knows its dtype: what Keras 3 was given as a NumPy array or a tensor."""

    def __init__(self, values: Any, dtype: Any) -> None:
        super().__init__(values if isinstance(values, (list, tuple)) else [values])
        self.dtype, self.is_number = str(dtype), not isinstance(values, (list, tuple))

    @property
    def values(self) -> Any:
        """The nested lists, or the one number."""
        return self[0] if self.is_number else list(self)


def describe(proxy: fx.Proxy, shape: Sequence[int | None], dtype: torch.dtype | None, sizes: bool = False) -> None:
    """Tells what a proxy stands for; `sizes`: a number or tuple of numbers rather than a tensor."""
    proxy.__dict__.setdefault("_described", (tuple(shape), dtype, sizes))
    proxy.node.meta.setdefault("described", proxy.__dict__["_described"])


def mark_sizes(value: Any) -> Any:
    """The value, its proxies marked as numbers."""
    for x in pytree.tree_leaves(value):
        if isinstance(x, fx.Proxy):
            describe(x, (), None, sizes=True)
    return value


def is_tensor(x: Any) -> bool:
    """Whether this is a tensor, or a proxy that stands for one."""
    if isinstance(x, fx.Proxy):
        described = x.__dict__.get("_described")
        return described is None or not described[2]
    return isinstance(x, torch.Tensor)


def has_tensors(structure: Any) -> bool:
    """Whether a tensor stands anywhere in a structure."""
    if isinstance(structure, (list, tuple)):
        return any(map(has_tensors, structure))
    if isinstance(structure, dict):
        return any(map(has_tensors, structure.values()))
    return is_tensor(structure)


def rank(x: Any) -> int:
    """How many axes a tensor has; 0 for a number."""
    if isinstance(x, fx.Proxy):
        return len(static_shape(x))
    if isinstance(x, torch.Tensor):
        return x.dim()
    return np.ndim(x) if not isinstance(x, (list, tuple)) else 1 + (rank(x[0]) if len(x) else 0)


def dtype_of(x: Any) -> torch.dtype:
    """The dtype of a tensor; of a constant the one that it would get."""
    if isinstance(x, fx.Proxy):
        described = x.__dict__.get("_described")
        return described[1] if described is not None and described[1] is not None else _faked(x)[0].dtype
    if isinstance(x, torch.Tensor):
        return x.dtype
    if isinstance(x, Array):
        return torch_dtype(x.dtype)
    kind = np.asarray(x).dtype.kind
    return {"b": torch.bool, "i": torch.int32, "u": torch.int32}.get(kind, torch.float32)


def static_shape(x: Any) -> tuple[int | None, ...]:
    """The shape of a tensor: that of the drawn graph for a proxy, None where it is open."""
    if isinstance(x, fx.Proxy):
        described = x.__dict__.get("_described")
        if described is not None:
            return described[0]
        first, second = _faked(x)
        return tuple(a if a == b else None for a, b in zip(first.shape, second.shape, strict=True))
    return tuple(x.shape) if isinstance(x, torch.Tensor) else np.shape(x)


def sizes_of(x: Any) -> tuple[Any, ...]:
    """The sizes of a tensor: ints where the drawn graph knows them, else what is read from the tensor when it runs."""
    return tuple(x.shape[i] if n is None else n for i, n in enumerate(static_shape(x)))


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """`axis` (a number, a list, or None for all) as axes counted from 0."""
    n = rank(x)
    if axis is None:
        return tuple(range(n))
    return tuple(int(a) % max(n, 1) for a in (axis if isinstance(axis, (list, tuple)) else [axis]))


def to_dtype(x: Any, dtype: torch.dtype) -> Any:
    """The tensor in a dtype; itself where it has that."""
    return x if dtype_of(x) is dtype else x.to(dtype)


# Making tensors


@contextlib.contextmanager
def anchored(tensor: Any) -> Iterator[None]:
    """Within this block new tensors are made on this tensor's device."""
    before = getattr(_here, "anchor", None)
    _here.anchor = tensor
    try:
        yield
    finally:
        _here.anchor = before


@contextlib.contextmanager
def keeping(keep: Callable[[Any, torch.dtype], Any]) -> Iterator[None]:
    """Within this block `keep(values, dtype)` holds the tensors of constants, so that they follow their layer's device."""
    before = getattr(_here, "keep", None)
    _here.keep = keep
    try:
        yield
    finally:
        _here.keep = before


def constant(values: Any, dtype: Any) -> Any:
    """A tensor of given numbers."""
    dtype = torch_dtype(dtype)
    if any(isinstance(x, fx.Proxy) for x in pytree.tree_leaves(values)):
        return new(torch.tensor, values, dtype=dtype)
    keep = getattr(_here, "keep", None)
    return new(torch.tensor, values, dtype=dtype) if keep is None else keep(values, dtype)


def as_tensor(x: Any, like: Any = None, dtype: Any = None) -> Any:
    """A tensor as it is; numbers as a tensor of `dtype`, or of `like`'s, or of the one that TensorFlow gives them."""
    if is_tensor(x):
        return x
    if isinstance(x, Array):
        return constant(x.values, x.dtype)
    if isinstance(x, (list, tuple)) and has_tensors(x):
        parts = [as_tensor(part, like, dtype) for part in x]
        given = [part for part, old in zip(parts, x, strict=True) if is_tensor(old)]
        return torch.stack([to_dtype(part, dtype_of(given[0])) for part in parts])
    if dtype is None:
        dtype = dtype_of(like) if is_tensor(like) else _dtype_of_numbers(x)
    return constant(x, dtype)


def _dtype_of_numbers(x: Any) -> torch.dtype:
    leaves = pytree.tree_leaves(x)
    if any(isinstance(n, fx.Proxy) for n in leaves):
        return torch.float32 if any(isinstance(n, float) for n in leaves) else torch.int32
    return dtype_of(x)


def new(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a torch function makes out of no tensor (`torch.zeros`), on the device of the model's inputs."""
    anchor = getattr(_here, "anchor", None)
    return apply(function, *args, **kwargs, device=get_device() if anchor is None else anchor.device)


def apply(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function of the arguments; where proxies are among them, one node that calls it."""
    for x in pytree.tree_leaves((args, kwargs)):
        if isinstance(x, fx.Proxy):
            return x.tracer.create_proxy("call_function", function, args, kwargs)
        if isinstance(x, slice):
            for part in (x.start, x.stop, x.step):
                if isinstance(part, fx.Proxy):
                    return part.tracer.create_proxy("call_function", function, args, kwargs)
    return function(*args, **kwargs)


# What an intermediate value of a function under lowering is like


def _faked(proxy: fx.Proxy) -> tuple[Any, Any]:
    """Two fake tensors like what a proxy's node will return, for two choices of the open sizes."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True):
        return _fakes(proxy.node, getattr(proxy.tracer, "modules", {}))


def _fakes(node: fx.Node, modules: Any) -> tuple[Any, Any]:
    """Found by running the node's function on its arguments' fakes; kept on the node."""
    if "fakes" not in node.meta:
        shape, dtype, sizes = node.meta.get("described", (None, None, True))
        if sizes:
            node.meta["fakes"] = tuple(_run_faked(node, run, modules) for run in range(2))
        else:
            made = ([size if n is None else n for n in shape] for size in _SIZES)
            node.meta["fakes"] = tuple(torch.empty(shape, dtype=dtype, device=_device_of(modules)) for shape in made)
    return node.meta["fakes"]


def _device_of(modules: Any) -> torch.device:
    held = (x for module in modules.values() for x in (*module._parameters.values(), *module._buffers.values()))
    return next((x.device for x in held if x is not None and not x.is_meta), get_device())


def _run_faked(node: fx.Node, run: int, modules: Any) -> Any:
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: _fakes(n, modules)[run])
    if node.op == "call_function":
        return node.target(*args, **kwargs)  # type: ignore[operator]
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    if node.op == "call_module":
        return modules[node.target](*args, **kwargs)
    raise ValueError(f"The shape of {node} is not known.")
