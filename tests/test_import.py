"""What importing kerastorch brings in, and whether its public names are there."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import kerastorch

HEAVY = ("tensorflow", "keras", "tf_keras", "matplotlib", "graphviz", "torchviz", "wasmtime", "onnx")
MODULES = [
    "kerastorch",
    *(
        module.name
        for module in pkgutil.walk_packages(kerastorch.__path__, "kerastorch.")
        if module.name.rpartition(".")[2] != "__main__"
    ),
]


def test_import_brings_nothing_heavy_but_torch() -> None:
    code = f"import sys, kerastorch; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_import_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:kerastorch", "-c", "import kerastorch"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    assert hasattr(module, "__all__"), f"{name} has no __all__"
    assert len(set(module.__all__)) == len(module.__all__)
    assert [n for n in module.__all__ if not hasattr(module, n)] == []
