"""Which device the tests run on."""

import os

import torch


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        default="cpu",
        choices=("cpu", "cuda"),
        help="where weights are made; for the tests that `make test-gpu` runs",
    )


def pytest_configure(config):
    if config.getoption("--device") == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # Numbers are compared as float32 gives them: on a GPU, torch lets convolutions round their factors to TF32 otherwise.
    torch.backends.cudnn.allow_tf32 = False
