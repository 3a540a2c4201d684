"""`python -m benchmarks.attention`: MultiHeadAttention against torch's own nn.MultiheadAttention, in self-attention."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import nn

import kerastorch as keras
from benchmarks.timing import compare, report

SIZES = ((1, 16, 64, 4), (8, 64, 128, 8), (8, 128, 256, 8))
"""(batch, length, features, heads)"""


def candidates(size: tuple[int, int, int, int], device: str) -> tuple[torch.Tensor, dict[str, Callable]]:
    """An input, and for it the plain torch module and a Keras model with one MultiHeadAttention."""
    batch, length, features, heads = size
    inputs = keras.Input((length, features))
    layer = keras.layers.MultiHeadAttention(heads, features // heads)
    model = keras.Model(inputs, layer(inputs, inputs)).to(device)
    plain = nn.MultiheadAttention(features, heads, batch_first=True, device=device).eval()
    x = torch.randn(batch, length, features, device=device)
    return x, {"nn.MultiheadAttention": lambda x: plain(x, x, x, need_weights=False)[0], "kerastorch": model}


def bound(function: Callable, x: torch.Tensor, backward: bool) -> Callable[[], object]:
    """One call, without or with gradients."""

    def run() -> object:
        with torch.set_grad_enabled(backward):
            y = function(x)
        if backward:
            y.sum().backward()
        if x.is_cuda:
            torch.cuda.synchronize()
        return y

    return run


def main() -> None:
    """Prints medians and ratios for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; 1 is the steadiest where cores are shared")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keras.config.set_device(options.device)
    for size in SIZES:
        x, functions = candidates(size, options.device)
        for backward in (False, True):
            title = f"batch, length, features, heads = {size}: {'forward and backward' if backward else 'forward'}"
            report(title, compare({name: bound(f, x, backward) for name, f in functions.items()}))


if __name__ == "__main__":
    main()
