"""Arrays read between and beyond their numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kerastorch.nn.sampling import crop_and_resize, map_coordinates, scale_and_translate

X = np.arange(20, dtype="float32").reshape(4, 5) ** 1.5


@pytest.mark.parametrize(
    ("fill_mode", "numpys"),
    [("mirror", "reflect"), ("reflect", "symmetric"), ("wrap", "wrap"), ("nearest", "edge"), ("constant", "constant")],
)
@pytest.mark.parametrize("order", [0, 1])
def test_what_lies_outside(fill_mode: str, numpys: str, order: int) -> None:
    """As NumPy pads. (Keras 3 on TensorFlow fails, or reads elsewhere, for the first two; on torch it reads here.)"""
    padded = np.pad(X, 9, numpys)  # type: ignore[call-overload]
    rng = np.random.default_rng(0)
    at = np.stack([rng.uniform(-8, 11, 30), rng.uniform(-8, 12, 30)]).astype("float32")
    if order == 0:
        want = padded[tuple(np.rint(at).astype(int) + 9)]
    else:
        (r, c), (down, right) = np.floor(at).astype(int) + 9, at - np.floor(at)
        upper = padded[r, c] * (1 - right) + padded[r, c + 1] * right
        want = upper * (1 - down) + (padded[r + 1, c] * (1 - right) + padded[r + 1, c + 1] * right) * down
    got = map_coordinates(torch.tensor(X), torch.tensor(at), order, fill_mode, 0.0)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


def test_unknown_arguments() -> None:
    x, at, one = torch.ones(2, 2), torch.zeros(2, 1), torch.ones(1)
    with pytest.raises(NotImplementedError, match="order must be 0 or 1, got 3"):
        map_coordinates(x, at, 3, "nearest", 0.0)
    with pytest.raises(ValueError, match="fill_mode must be .* got 'edge'"):
        map_coordinates(x, at, 1, "edge", 0.0)
    with pytest.raises(ValueError, match="unknown method 'area'"):
        scale_and_translate(x, [3], [0], one, one, "area", True)
    with pytest.raises(ValueError, match="method must be 'bilinear' or 'nearest', got 'area'"):
        crop_and_resize(torch.ones(1, 2, 2, 1), torch.ones(1, 4), torch.zeros(1), [2, 2], "area", 0.0)
