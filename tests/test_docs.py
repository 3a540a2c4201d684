"""The generated page is what the classes say."""

from docs.generate import TARGET, table


def test_layers_page_is_up_to_date():
    assert TARGET.read_text() == table(), "run `python -m docs.generate`"
