"""LSTM and GRU layers beside hand-written nn.LSTM and nn.GRU models: forward, and forward with backward.

Run: python -m benchmarks.recurrent [cpu|cuda] [threads]. Both sides run interleaved in one process: medians.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import nn

import kerastorch as keras
from benchmarks.timing import compare
from kerastorch import layers

CASES = {"small": (8, 16, 8, 16), "medium": (32, 50, 64, 128), "large": (32, 100, 128, 256)}
"""batch, time, features, units"""


class Plain(nn.Module):
    """What a torch user writes for the same model."""

    def __init__(self, kind: str, size: int, units: int) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(size, units, batch_first=True)
        self.head = nn.Linear(units, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, features) -> (batch, 4)."""
        return self.head(self.rnn(x)[0][:, -1])


def main(device: str) -> None:
    """Prints a line per kind, size and pass: both times in ms, and their ratio."""
    keras.config.set_device(device)
    for kind in ("LSTM", "GRU"):
        for label, (batch, steps, size, units) in CASES.items():
            ours = keras.Sequential([layers.Input((steps, size)), getattr(layers, kind)(units), layers.Dense(4)])
            theirs = Plain(kind, size, units).to(device)
            x = torch.randn(batch, steps, size, device=device)
            for name in ("forward", "forward+backward"):
                backward = name != "forward"
                ours.train(backward)
                theirs.train(backward)

                def run(model: Callable, backward: bool = backward, x: torch.Tensor = x) -> None:
                    with torch.set_grad_enabled(backward):
                        y = model(x)
                    if backward:
                        y.sum().backward()
                    if x.is_cuda:
                        torch.cuda.synchronize()

                pair = {"kerastorch": lambda run=run, m=ours: run(m), "torch": lambda run=run, m=theirs: run(m)}
                a, b = (1e3 * t for t in compare(pair).values())
                print(
                    f"{kind:5} {label:7} {name:17} kerastorch {a:8.3f} ms  torch {b:8.3f} ms  ratio {a / b:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        torch.set_num_threads(int(sys.argv[2]))
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
