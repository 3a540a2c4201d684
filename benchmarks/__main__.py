"""`python -m benchmarks`: every benchmark, on the GPU where there is one (CUDA_VISIBLE_DEVICES= hides it) and else on one
thread of the CPU; ratios against hand-written torch; a table at the end."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
from torch import nn

import kerastorch
from benchmarks.layers import layers
from benchmarks.timing import BASE, compare, report, table


def small(keras: Any) -> Any:
    """The tutorial's model."""
    x = keras.Input((2,))
    h = keras.layers.Dense(3, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(1, activation="sigmoid", name="output")(h))


def convnet(keras: Any) -> Any:
    """A residual network of twelve convolutions."""
    layers = keras.layers
    x = inputs = keras.Input((64, 64, 3))
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width in (32, 64):
        x = layers.Conv2D(width, 1)(x)
        for _ in range(2):
            y = x
            for _ in range(2):
                y = layers.Conv2D(width, 3, padding="same", use_bias=False)(y)
                y = layers.ReLU()(layers.BatchNormalization()(y))
            x = layers.Add()([x, y])
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


class HandWritten(nn.Module):
    """The same network as one writes it in torch, channels first."""

    def __init__(self) -> None:
        super().__init__()

        def unit(i: int, o: int, k: int, s: int = 1) -> nn.Sequential:
            pad = [] if s == 1 else [nn.ZeroPad2d((0, 1, 0, 1))]
            conv = nn.Conv2d(i, o, k, s, padding="same" if s == 1 else 0, bias=False)
            return nn.Sequential(*pad, conv, nn.BatchNorm2d(o, eps=1e-3), nn.ReLU())

        self.stem = unit(3, 32, 3, 2)
        self.widen = nn.ModuleList([nn.Conv2d(32, 32, 1), nn.Conv2d(32, 64, 1)])
        self.blocks = nn.ModuleList(
            [nn.ModuleList([nn.Sequential(unit(w, w, 3), unit(w, w, 3)) for _ in range(2)]) for w in (32, 64)]
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 3, 64, 64) -> (batch, 10)."""
        x = self.stem(x)
        for widen, blocks in zip(self.widen, self.blocks, strict=True):
            x = widen(x)
            for block in blocks:
                x = x + block(x)
            x = nn.functional.max_pool2d(x, 2)
        return torch.softmax(self.head(x.mean((2, 3))), -1)


def real_kerases() -> dict[str, Any]:
    """tf_keras, and Keras 3 on its torch backend, those of them that are installed."""
    found = {}
    for name in ("keras", "tf_keras"):
        try:
            found[name] = __import__(name)
            if name == "tf_keras":
                import tensorflow as tf

                tf.config.threading.set_intra_op_parallelism_threads(1)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        except ImportError:
            print(f"{name} is not installed: left out")
    return found


def one_call(kerases: dict[str, Any]) -> None:
    """`model(x)` on a batch of one, without gradients."""
    device = kerastorch.get_device()
    hand = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid()).to(device).eval()
    model, x = small(kerastorch), torch.rand(1, 2, device=device)
    runs = {BASE: lambda: hand(x), "kerastorch": lambda: model(x)}
    plain = model.to_torch()
    runs["kerastorch, to_torch()"] = lambda: plain(x)
    for name, keras in kerases.items():
        other = small(keras)
        data = x if name == "keras" else x.cpu().numpy()
        runs[name] = lambda other=other, data=data: other(data)
    with torch.no_grad():
        report("model(x), two Dense layers, a batch of one", compare(runs))


def predictions(kerases: dict[str, Any]) -> None:
    """`predict` of a convnet on 64 pictures, against a loop over batches in torch."""
    x = np.random.default_rng(0).normal(size=(64, 64, 64, 3)).astype("float32")
    device = kerastorch.get_device()
    hand, model = HandWritten().to(device).eval(), convnet(kerastorch)

    def loop() -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(x).permute(0, 3, 1, 2)
            batches = (pictures[i : i + 32].to(device).contiguous() for i in range(0, len(x), 32))
            return np.concatenate([hand(batch).cpu().numpy() for batch in batches])

    runs: dict[str, Any] = {BASE: loop, "kerastorch": lambda: model.predict(x, verbose=0)}
    for name, keras in kerases.items():
        other = convnet(keras)
        runs[name] = lambda other=other: other.predict(x, verbose=0)
    report("predict, a residual convnet, 64 pictures of 64x64", compare(runs, rounds=9))


def imports() -> None:
    """`import kerastorch` beyond `import torch`, in fresh processes."""

    def seconds(code: str) -> float:
        script = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
        return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)

    pairs = [(seconds("import torch"), seconds("import kerastorch")) for _ in range(7)]
    torch_alone, both = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"\nimport torch {torch_alone:.2f} s, import kerastorch {both:.2f} s: {both - torch_alone:.2f} s more")


if __name__ == "__main__":
    torch.set_num_threads(1)  # the steadiest where cores are shared
    kerases = real_kerases()
    one_call(kerases)
    predictions(kerases)
    layers(kerases)
    imports()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    machine = f"{platform.machine()}{gpu}, {os.cpu_count()} cores, one thread; torch {torch.__version__}"
    print(f"\n{machine}\n\n{table()}")
