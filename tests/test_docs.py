"""The generated pages are what the classes and the lists say."""

from docs.generate import FILES, TARGET, files, table


def test_layers_page_is_up_to_date():
    assert TARGET.read_text() == table(), "run `python -m docs.generate`"


def test_fixtures_page_is_up_to_date():
    assert FILES.read_text() == files(), "run `python -m docs.generate`"
