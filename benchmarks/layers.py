"""Single layers beside hand-written torch modules, Keras 3 on torch, and tf_keras: forward, and forward with backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import kerastorch
from benchmarks.timing import BASE, compare, report

__all__ = ["layers"]


class Attention(nn.Module):
    """Self-attention as one writes it in torch."""

    def __init__(self, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(features, features) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, features) -> the same."""
        batch, length, features = x.shape
        split = (batch, length, self.heads, features // self.heads)
        q, k, v = (project(x).view(split).transpose(1, 2) for project in (self.q, self.k, self.v))
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).reshape(batch, length, features))


class TorchAttention(nn.MultiheadAttention):
    """torch's own module, which has a kernel for all of it, for inference only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, length, features) -> the same."""
        return super().forward(x, x, x, need_weights=False)[0]


class Last(nn.Module):
    """The last output of a recurrent module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, features) -> (batch, units)."""
        return self.module(x)[0][:, -1]


class Case(NamedTuple):
    """A layer at a size: `shape` as Keras has it; `hand` the torch module, given pictures with the channels first: in
    memory too, or, not `contiguous`, as a view on what Keras is given."""

    title: str
    shape: tuple[int, ...]
    layer: Callable[[Any, Any], Any]
    hand: nn.Module
    contiguous: bool = True


def conv(batch: int, size: int, into: int, out: int) -> Case:
    """Conv2D with a 3 x 3 kernel."""

    def layer(keras: Any, x: Any) -> Any:
        return keras.layers.Conv2D(out, 3, padding="same", activation="relu")(x)

    hand = nn.Sequential(nn.Conv2d(into, out, 3, padding="same"), nn.ReLU())
    return Case(f"Conv2D {batch}x{size}x{size}x{into}, {out}", (batch, size, size, into), layer, hand)


def norm(batch: int, size: int, channels: int, contiguous: bool) -> Case:
    """BatchNormalization of pictures; in training where gradients are taken."""
    title = f"BatchNormalization {batch}x{size}x{size}x{channels} ({'nchw' if contiguous else 'nhwc'} memory)"
    hand = nn.BatchNorm2d(channels, eps=1e-3)

    def layer(keras: Any, x: Any) -> Any:
        return keras.layers.BatchNormalization()(x)

    return Case(title, (batch, size, size, channels), layer, hand, contiguous)


def recurrent(kind: str, batch: int, time: int, into: int, units: int) -> Case:
    """LSTM or GRU."""
    hand = Last(getattr(nn, kind)(into, units, batch_first=True))
    title = f"{kind} {batch}x{time}x{into}, {units}"
    return Case(title, (batch, time, into), lambda keras, x: getattr(keras.layers, kind)(units)(x), hand)


def attention(batch: int, length: int, features: int, heads: int, hand: Any = Attention) -> Case:
    """MultiHeadAttention to itself."""
    title = f"MultiHeadAttention {batch}x{length}x{features}, {heads} heads"
    title += " (against nn.MultiheadAttention)" if hand is TorchAttention else ""
    module = hand(features, heads, batch_first=True) if hand is TorchAttention else hand(features, heads)

    def layer(keras: Any, x: Any) -> Any:
        return keras.layers.MultiHeadAttention(heads, features // heads)(x, x)

    return Case(title, (batch, length, features), layer, module)


def cases() -> list[Case]:
    """All that is timed."""
    return [
        conv(8, 32, 16, 32),
        conv(16, 56, 64, 64),
        conv(1, 7, 512, 512),
        *(norm(*sizes, contiguous) for contiguous in (False, True) for sizes in ((8, 32, 16), (16, 56, 64))),
        *(recurrent(kind, *sizes) for kind in ("LSTM", "GRU") for sizes in ((8, 16, 8, 16), (32, 50, 64, 128))),
        *(attention(*sizes) for sizes in ((1, 16, 64, 4), (8, 64, 128, 8))),
        *(attention(*sizes, TorchAttention) for sizes in ((1, 16, 64, 4), (8, 64, 128, 8))),
    ]


def torch_run(model: Any, x: torch.Tensor, backward: bool) -> Callable[[], None]:
    """One call of a torch module, and of its gradients."""
    model.train(backward)

    def run() -> None:
        with torch.set_grad_enabled(backward):
            y = model(x)
        if backward:
            y.sum().backward()

    return run


def real_run(name: str, model: Any, x: np.ndarray, backward: bool) -> Callable[[], None]:
    """The same of a model of the real Kerases: Keras 3 on torch, tf_keras on TensorFlow."""
    if name == "keras":
        data = torch.from_numpy(x).to(kerastorch.get_device())

        def run() -> None:
            with torch.set_grad_enabled(backward):
                y = model(data, training=backward)
            if backward:
                y.sum().backward()

        return run
    import tensorflow as tf

    constant = tf.constant(x)

    def run_tensorflow() -> None:
        if not backward:
            model(constant, training=False)
            return
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(constant, training=True))
        tape.gradient(total, model.trainable_weights)

    return run_tensorflow


def layers(kerases: dict[str, Any], rounds: int = 11) -> None:
    """Times every case with every Keras given."""
    for case in cases():
        x = np.random.default_rng(0).normal(size=case.shape).astype("float32")
        pictures = len(case.shape) == 4
        built = {}
        for name, keras in {"kerastorch": kerastorch, **kerases}.items():
            inputs = keras.Input(case.shape[1:])
            built[name] = keras.Model(inputs, case.layer(keras, inputs))
        given = torch.from_numpy(x).to(kerastorch.get_device())
        hand = case.hand.to(given.device)
        first = given.permute(0, 3, 1, 2) if pictures else given
        first = first.contiguous() if case.contiguous else first
        for backward in (False, True):
            runs = {BASE: torch_run(hand, first, backward)}
            for name, model in built.items():
                ours = name == "kerastorch"
                runs[name] = torch_run(model, given, backward) if ours else real_run(name, model, x, backward)
            report(f"{case.title}: {'forward+backward' if backward else 'forward'}", compare(runs, rounds))
