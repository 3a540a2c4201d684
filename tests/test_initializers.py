"""kerastorch.initializers against the statistics of tf_keras's and Keras 3's draws."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kerastorch import config as settings
from kerastorch import initializers, registry

FIXTURES = Path(__file__).resolve().parents[1].parent / "shared" / "fixtures"

PROBABILITIES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
RANDOM = [
    "RandomUniform",
    "RandomNormal",
    "TruncatedNormal",
    "VarianceScaling",
    "GlorotUniform",
    "GlorotNormal",
    "HeUniform",
    "HeNormal",
    "LecunUniform",
    "LecunNormal",
    "Orthogonal",
]


def cases() -> list[Any]:
    made = []
    for generation in ("k2", "k3"):
        path = FIXTURES / generation / "initializers.json"
        if not path.exists():
            return [pytest.param(None, marks=pytest.mark.skip(reason=f"no fixture {path}"))]
        for case in json.loads(path.read_text()):
            made.append(pytest.param(case, id=f"{generation}-{case['cls']}-{case['kw']}-{case['shape']}"))
    return made


@pytest.mark.parametrize("case", cases())
def test_draws_are_distributed_as_keras_own(case: dict[str, Any]) -> None:
    seed = case.get("config", {}).get("seed")
    initializer = getattr(initializers, case["cls"])(**case["kw"], **({} if seed is None else {"seed": seed}))
    if "error" in case:
        with pytest.raises(ValueError, match=case["cls"]):
            initializer(case["shape"])
        return
    y = initializer(case["shape"])
    # Keras 3's STFT makes one input channel, whatever the shape says.
    shape = case["shape"] if case["cls"] != "STFT" else [case["shape"][0], 1, case["shape"][2]]
    assert list(y.shape) == shape and y.dtype == torch.float32
    if case["cls"] == "STFT":
        assert y.std(correction=0).item() == pytest.approx(case["std"], rel=1e-4)
    if "value" in case:
        expected = case["value"]["data"] if isinstance(case["value"], dict) else case["value"]
        if seed is None:
            torch.testing.assert_close(y, torch.tensor(expected), rtol=1e-5, atol=1e-6)
    n, spread = y.numel(), case["std"]
    if n >= 5000:
        assert y.mean().item() == pytest.approx(case["mean"], abs=6 * spread / math.sqrt(n) + 1e-6)
        assert y.std(correction=0).item() == pytest.approx(spread, rel=0.05, abs=1e-6)
        assert y.min().item() == pytest.approx(case["min"], abs=1.5 * spread + 1e-6)
        assert y.max().item() == pytest.approx(case["max"], abs=1.5 * spread + 1e-6)
        probabilities = torch.tensor(PROBABILITIES)
        torch.testing.assert_close(
            y.flatten().quantile(probabilities), torch.tensor(case["q"]), rtol=0, atol=0.1 * spread + 1e-6
        )
    if "gram_diag" in case:
        flat = y.reshape(-1, y.shape[-1]).double()
        gram = flat @ flat.T if flat.shape[0] < flat.shape[1] else flat.T @ flat
        assert gram.diagonal().mean().item() == pytest.approx(case["gram_diag"], rel=1e-4)
        assert (gram - torch.diag(gram.diagonal())).abs().max().item() < 1e-5


@pytest.mark.parametrize("case", cases())
def test_config_is_keras_own(case: dict[str, Any]) -> None:
    if "config" not in case:
        pytest.skip("the fixture holds no config")
    expected = {k: v for k, v in case["config"].items() if k not in ("input_axes", "output_axes")}
    if case["cls"] == "Identity":
        expected.setdefault("gain", 1.0)  # which Keras 3 forgets to write
    initializer = getattr(initializers, case["cls"]).from_config(case["config"])
    assert initializer.get_config() == expected
    made = initializers.deserialize(initializers.serialize(initializer))
    assert type(made) is type(initializer) and made.get_config() == expected


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_gives_the_same_values_at_every_call(name: str) -> None:
    cls = getattr(initializers, name)
    seeded, other, unseeded = cls(seed=3), cls(seed=4), cls()
    assert torch.equal(seeded((6, 5)), seeded((6, 5)))
    assert torch.equal(seeded((6, 5)), cls(seed=3)((6, 5)))
    assert not torch.equal(seeded((6, 5)), other((6, 5)))
    assert not torch.equal(unseeded((6, 5)), unseeded((6, 5)))


@pytest.mark.parametrize("name", RANDOM)
def test_set_random_seed_rules_what_has_no_seed_and_only_that(name: str) -> None:
    cls = getattr(initializers, name)
    settings.set_random_seed(1)
    first = cls()((4, 4))
    settings.set_random_seed(1)
    state = torch.get_rng_state()
    cls(seed=5)((4, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(cls()((4, 4)), first)


@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant", "Identity", *RANDOM])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", torch.float32, np.float32, None])
def test_dtype_and_device_are_those_asked_for(name: str, dtype: Any) -> None:
    initializer = getattr(initializers, name)()
    assert initializer((4, 3), dtype=dtype).dtype == settings.torch_dtype(dtype)
    with torch.device("meta"):
        assert initializer((4, 3), dtype).device.type == "meta"


@pytest.mark.parametrize(
    "shape, fan_in, fan_out",
    [((), 1, 1), ((7,), 7, 7), ((4, 6), 4, 6), ((5, 4, 6), 20, 30), ((3, 3, 4, 6), 36, 54), ((2, 3, 3, 4, 6), 72, 108)],
)
def test_fans_count_inputs_and_outputs_of_a_kernel(shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    for mode, n in (("fan_in", fan_in), ("fan_out", fan_out), ("fan_avg", (fan_in + fan_out) / 2)):
        initializer = initializers.VarianceScaling(2.0, mode, "uniform", seed=0)
        unit = initializers.RandomUniform(-1, 1, seed=0)(shape)
        torch.testing.assert_close(initializer(shape), unit * math.sqrt(3 * 2.0 / n), rtol=1e-4, atol=1e-6)


def test_axes_of_keras_3_redefine_the_fans() -> None:
    plain = initializers.GlorotUniform(seed=0)
    axes = initializers.GlorotUniform(seed=0, input_axes=[0], output_axes=[1, 2])
    torch.testing.assert_close(axes((4, 2, 3)), plain((4, 6)).reshape(4, 2, 3))
    assert axes.get_config() == {"seed": 0, "input_axes": [0], "output_axes": [1, 2]}
    assert plain.get_config() == {"seed": 0}


def test_a_part_of_a_weight_is_scaled_as_the_whole() -> None:
    part = initializers.HeUniform(seed=0)((400, 4), partition_shape=(100, 4))
    assert part.shape == (100, 4)
    assert part.abs().max().item() <= math.sqrt(6 / 400)
    assert part.abs().max().item() > 0.9 * math.sqrt(6 / 400)


@pytest.mark.parametrize(
    "value, shape, expected",
    [
        (3, (2,), [3, 3]),
        ([1, 2], (2,), [1, 2]),
        ([1, 2, 3, 4], (2, 2), [[1, 2], [3, 4]]),
        ([1, 2], (2, 2), [[1, 2]] * 2),
    ],
)
@pytest.mark.parametrize("wrap", [lambda v: v, np.array, torch.tensor])
def test_constant_takes_numbers_and_arrays(value: Any, shape: tuple[int, ...], expected: Any, wrap: Any) -> None:
    initializer = initializers.Constant(wrap(value))
    assert initializer(shape).tolist() == expected
    assert initializer.get_config() == {"value": value}


def test_random_uniform_makes_whole_numbers_for_an_integer_dtype() -> None:
    y = initializers.RandomUniform(0, 10, seed=1)((1000,), dtype="int32")
    assert y.dtype == torch.int32 and set(y.tolist()) == set(range(10))


@pytest.mark.parametrize(
    "name, cls",
    [
        ("glorot_uniform", "GlorotUniform"),
        ("glorot_normalV2", "GlorotNormal"),
        ("he_normal", "HeNormal"),
        ("lecun_uniform", "LecunUniform"),
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("ZerosV2", "Zeros"),
        ("identity", "Identity"),
        ("IdentityInitializer", "Identity"),
        ("orthogonal", "Orthogonal"),
        ("variance_scaling", "VarianceScaling"),
        ("stft", "STFT"),
    ],
)
def test_names_of_every_generation_are_known(name: str, cls: str) -> None:
    assert type(initializers.get(name)) is getattr(initializers, cls)
    config = {"class_name": name, "config": {"dtype": "float32"}}
    assert type(initializers.get(config)) is getattr(initializers, cls)


def test_get_passes_through_and_makes_classes() -> None:
    def mine(shape: Any, dtype: Any = None) -> torch.Tensor:
        return torch.zeros(shape)

    assert initializers.get(None) is None and initializers.serialize(None) is None
    assert initializers.get(mine) is mine
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.deserialize("mine", {"mine": mine}) is mine


def test_a_users_initializer_needs_no_get_config() -> None:
    class Mine(initializers.Initializer):
        def __init__(self, scale: float = 2.0) -> None:
            self.factor = scale

        def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
            return torch.full(shape, self.factor)

    with registry.custom_object_scope({"Mine": Mine}):
        made = initializers.get(initializers.serialize(Mine(scale=3.0)))
    assert made((2,)).tolist() == [3.0, 3.0]


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
def test_stft_is_the_fourier_transform_of_windowed_frames(side: str, scaling: str | None) -> None:
    frame = torch.randn(16, dtype=torch.float64)
    window = torch.hann_window(16, periodic=True, dtype=torch.float64)
    norm = {"density": window.norm(2), "spectrum": window.norm(1), None: 1.0}[scaling]
    spectrum = torch.fft.rfft(frame * window / norm)
    kernel = initializers.STFT(side, scaling=scaling, periodic=True)((16, 1, 9), "float64")
    torch.testing.assert_close(torch.einsum("t,tif->f", frame, kernel), getattr(spectrum, side))
    array = initializers.STFT(side, window.numpy(), scaling)((16, 1, 9), "float64")
    torch.testing.assert_close(array, kernel)


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: initializers.get("nonesuch"), ValueError),
        (lambda: initializers.get(3), ValueError),
        (lambda: initializers.VarianceScaling(scale=0), ValueError),
        (lambda: initializers.VarianceScaling(mode="fan"), ValueError),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), ValueError),
        (lambda: initializers.GlorotUniform(input_axes=[0]), ValueError),
        (lambda: initializers.GlorotUniform(seed="a"), ValueError),
        (lambda: initializers.GlorotUniform(seed=1.5), ValueError),
        (lambda: initializers.GlorotUniform()((2, None)), ValueError),
        (lambda: initializers.GlorotUniform()((2, 2), "int32"), ValueError),
        (lambda: initializers.RandomUniform()((2, 2), "bool"), ValueError),
        (lambda: initializers.Zeros()((2, 2), "string"), ValueError),
        (lambda: initializers.Zeros()((2, 2), foo=1), TypeError),
        (lambda: initializers.Orthogonal()((2, 2), partition_shape=(1, 2)), ValueError),
        (lambda: initializers.Constant([1, 2])((3,)), ValueError),
        (lambda: initializers.STFT("left"), ValueError),
        (lambda: initializers.STFT(window="nonesuch"), ValueError),
        (lambda: initializers.STFT(scaling="loud"), ValueError),
        (lambda: initializers.STFT(window=[1.0, 2.0])((3, 1, 2)), ValueError),
        (lambda: initializers.STFT()((3, 2)), ValueError),
        (lambda: initializers.Initializer()((2,)), NotImplementedError),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
