"""Every one-layer and whole model that real tf_keras recorded: file in, numbers, file out, numbers."""

import pytest

from tests.fixture_files import check_fixture, fixture_names

# What stands in these needs parts that are not built yet: TFOpLambda layers, and RandomFourierFeatures.
LATER = ("model__op_", "RandomFourierFeatures")
# These are read by the tests of optimizers and fit.
ELSEWHERE = ("opt__", "fit__")


@pytest.mark.parametrize(
    "name", [name for name in fixture_names("k2", "") if not str(name).startswith((*LATER, *ELSEWHERE))]
)
def test_tf_keras_fixture(name, tmp_path):
    check_fixture("k2", name, tmp_path)
