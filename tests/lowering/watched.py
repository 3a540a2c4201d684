"""How often a torch module itself runs."""

from __future__ import annotations

import contextlib

import torch


@contextlib.contextmanager
def calls_of(kind):
    """A list that gets an entry for each time that a module of this class itself runs."""
    seen, forward = [], kind.forward
    kind.forward = lambda self, *args, **kwargs: (seen.append(1), forward(self, *args, **kwargs))[1]
    try:
        yield seen
    finally:
        kind.forward = forward


def check_stand_in(model, x, kind, by_module=False, tolerance=1e-6):
    """Without gradients the same numbers as with them, from torch's module or from what stands for it."""
    with torch.enable_grad():
        want = model(x).detach()
    with torch.no_grad(), calls_of(kind) as seen:
        got = model(x)
    assert bool(seen) is by_module
    torch.testing.assert_close(got, want, atol=tolerance, rtol=tolerance)
    assert got.dtype is want.dtype
