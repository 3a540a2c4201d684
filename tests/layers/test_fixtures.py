"""Every one-layer and whole model that real tf_keras recorded: file in, numbers, file out, numbers."""

import pytest

from tests.fixture_files import check_fixture, fixture_names


@pytest.mark.parametrize("name", fixture_names("k2", ""))
def test_tf_keras_fixture(name, tmp_path):
    check_fixture("k2", name, tmp_path)
