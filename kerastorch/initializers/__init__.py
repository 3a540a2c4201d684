"""Initializers: how the first values of a weight are drawn, in Keras's shape of the weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastorch import registry
from kerastorch.initializers.base import Initializer
from kerastorch.initializers.distributions import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Ones,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
from kerastorch.initializers.matrices import STFT, Identity, Orthogonal

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zero",
    "zeros",
]

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = IdentityInitializer = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
one = ones = Ones
orthogonal = OrthogonalInitializer = Orthogonal
normal = random_normal = RandomNormal
uniform = random_uniform = RandomUniform
stft = STFTInitializer = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zero = zeros = Zeros

for _class, *_names in (
    (Constant, "constant", "ConstantV2"),
    (GlorotNormal, "glorot_normal", "GlorotNormalV2", "glorot_normalV2"),
    (GlorotUniform, "glorot_uniform", "GlorotUniformV2", "glorot_uniformV2"),
    (HeNormal, "he_normal", "HeNormalV2", "he_normalV2"),
    (HeUniform, "he_uniform", "HeUniformV2", "he_uniformV2"),
    (Identity, "identity", "IdentityV2", "IdentityInitializer"),
    (LecunNormal, "lecun_normal", "LecunNormalV2", "lecun_normalV2"),
    (LecunUniform, "lecun_uniform", "LecunUniformV2", "lecun_uniformV2"),
    (Ones, "ones", "one", "OnesV2"),
    (Orthogonal, "orthogonal", "OrthogonalV2", "OrthogonalInitializer"),
    (RandomNormal, "random_normal", "normal", "RandomNormalV2"),
    (RandomUniform, "random_uniform", "uniform", "RandomUniformV2"),
    (STFT, "stft", "STFTInitializer"),
    (TruncatedNormal, "truncated_normal", "TruncatedNormalV2"),
    (VarianceScaling, "variance_scaling", "VarianceScalingV2"),
    (Zeros, "zeros", "zero", "ZerosV2"),
):
    registry.register("initializer", _class, *_names)


def serialize(initializer: Any, use_legacy_format: bool = False) -> Any:
    """`{'class_name', 'config'}` of an initializer, the name of a function, None of None.

    `use_legacy_format` is taken because tf.keras has it; there is one form. Keras: tf.keras.initializers.serialize.
    """
    return registry.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None, use_legacy_format: bool = False) -> Any:
    """The initializer that a name or config means; ValueError for an unknown one.

    Keras: tf.keras.initializers.deserialize.
    """
    return registry.deserialize("initializer", config, custom_objects)


def get(identifier: Any) -> Any:
    """The initializer that a name, config, class or callable means; None stays None.

    Raises ValueError for an unknown name, and for anything else. Keras: tf.keras.initializers.get.
    """
    return registry.identify("initializer", identifier)
