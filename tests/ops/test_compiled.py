"""Models of functions under torch.compile, and in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import kerastorch as keras
from kerastorch.layers import KerasOp, TFOpLambda
from tests.ops import image_cases, signal_cases
from tests.ops.arrays import Case
from tests.ops.test_recorded import arrays_in, drawn

CASES = [
    pytest.param(case, id=f"{n}-{case.name}")
    for cases in (signal_cases.CASES, image_cases.CASES, image_cases.KERAS3_CASES)
    for n, case in enumerate(cases)
    if arrays_in((case.args, case.kwargs)) and n % 3 == 0 and "Bincount" not in case.name
]


def layer_of(case: Case) -> Any:
    in_keras3 = case in image_cases.KERAS3_CASES
    return KerasOp(case.name, case.made_with) if in_keras3 else TFOpLambda(case.name)


@pytest.mark.parametrize("case", CASES)
def test_compiled_as_one_graph(case: Case) -> None:
    model, arrays = drawn(layer_of(case), case, open_batch=False)
    tensors = [torch.tensor(x, device=keras.get_device()) for x in arrays]
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tensors), model(tensors))


@pytest.mark.parametrize("case", [c for c in CASES if c.values[0].name.startswith("image.")])
def test_written_as_plain_torch(case: Case) -> None:
    model, arrays = drawn(layer_of(case), case, open_batch=False)
    tensors = [torch.tensor(x, device=keras.get_device()) for x in arrays]
    torch.testing.assert_close(model.to_torch()(*tensors), model(tensors))


def test_none_in_a_call_is_written(tmp_path: Path) -> None:
    x = keras.Input((40,))
    model = keras.Model(x, TFOpLambda("signal.stft")(x, 16, 8, window_fn=None))
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        layers: list[Any] = json.loads(file.attrs["model_config"])["config"]["layers"]
    assert layers[1]["inbound_nodes"][0][3] == {"frame_length": 16, "frame_step": 8, "window_fn": None}
    sound = np.random.default_rng(0).normal(size=(2, 40)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.h5", device="cpu")
    torch.testing.assert_close(again(sound), model(sound))


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown window 'dct'"):
        TFOpLambda("signal.stft")(torch.ones(40), 16, 8, window_fn="dct")


def test_soft_suppression_is_refused() -> None:
    with pytest.raises(ValueError, match="soft_nms_sigma must be 0, got 0.5"):
        TFOpLambda("image.non_max_suppression_with_scores")(torch.ones(2, 4), torch.ones(2), 2, soft_nms_sigma=0.5)
