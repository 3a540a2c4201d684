"""`python -m benchmarks.loading [FILE ...]`: `load_model` of h5 files, by default two of 100 MB that it makes, against reading
their data sets with h5py; peak memory.

Each figure comes from a process of its own, as what is freed or kept of an earlier load would count in a later one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["main"]

_READ = """
import h5py, json, re, sys, time
import torch, kerastorch
from kerastorch import layers
x = kerastorch.Input((8, 8, 3))
y = layers.BatchNormalization()(layers.Conv2D(2, 3)(x))
kerastorch.Model(x, layers.Dense(2)(layers.Flatten()(y))).save(sys.argv[1] + ".small.h5")
kerastorch.models.load_model(sys.argv[1] + ".small.h5")

def read():
    found = []
    with h5py.File(sys.argv[1]) as file:
        file.visititems(lambda name, x: found.append(x[()]) if isinstance(x, h5py.Dataset) else None)
    return found

def timed(function):
    start = time.perf_counter()
    kept = function()
    return time.perf_counter() - start, kept

def most_memory():  # of this process alone, in kB; getrusage counts what the parent had
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read()).group(1))

before = most_memory()
load, model = timed(lambda: kerastorch.models.load_model(sys.argv[1]))
peak = most_memory() - before
size = sum(w.tensor.numel() * w.tensor.element_size() for w in model.weights) / 1024
print(json.dumps([timed(read)[0], load, peak / size]))
"""


def _few_layers(keras: Any) -> Any:
    """Three Dense layers."""
    x = inputs = keras.Input((2048,))
    for _ in range(2):
        x = keras.layers.Dense(4096)(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def _many_layers(keras: Any) -> Any:
    """A residual network of some 160 layers, most of whose weights are kernels."""
    layers = keras.layers
    x = inputs = keras.Input((64, 64, 64))
    for width in (64, 128, 256, 512):
        x = layers.Conv2D(width, 1)(x)
        for _ in range(7):
            y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x)))
            x = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(width, 1)(y))])
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def main(files: list[str]) -> None:
    """Prints a line for each file."""
    import kerastorch

    for file in files:
        _time(Path(file), file)
    for name, build in () if files else (("3 layers", _few_layers), ("some 170 layers", _many_layers)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.h5"
            build(kerastorch).save(path)
            _time(path, name)


def _time(path: Path, name: str) -> None:
    runs = [json.loads(_run(path)) for _ in range(7)]
    read, load, peak = (statistics.median(column) for column in zip(*runs, strict=True))
    ratio = statistics.median(run[1] / run[0] for run in runs)
    print(
        f"load_model, {path.stat().st_size / 1e6:.0f} MB in {name}: reading {read * 1e3:.0f} ms, load_model "
        f"{load * 1e3:.0f} ms, {ratio:.2f} times; peak memory {peak:.2f} times the weights"
    )


def _run(path: Path) -> str:
    return subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
