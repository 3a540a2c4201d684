"""Writes docs/layers.md from the layers' docstrings: `python -m docs.generate`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import kerastorch
from kerastorch import layers, registry

TARGET = Path(__file__).parent / "layers.md"
HEAD = """# Layers

Written by `python -m docs.generate` from the classes; a test fails when it is out of date. The torch column names what does
the work; where nothing stands there, the layer is plain torch functions. Differences from Keras stand in the docstrings.

| layer | what it does | torch | Keras | other names |
|---|---|---|---|---|
"""


def _sources(doc: str) -> tuple[str, str]:
    """What the docstring's last lines say after `Keras:` and after `torch:`."""
    flat = re.sub(r"\s+", " ", doc)
    keras = re.search(r"Keras(?: 3)?: ([\w.`, ()\d]+?)(?:;|\. |\.?$)", flat)
    torch = re.search(r"[Tt]orch: (.+?)(?:\. [A-Z]|\.?$|; Keras)", flat)
    return (keras.group(1).rstrip(".") if keras else ""), (torch.group(1).rstrip(".") if torch else "")


def table() -> str:
    """The whole page."""
    names: dict[type, list[str]] = {}
    for name in layers.__all__:
        found = getattr(layers, name)
        if inspect.isclass(found) and issubclass(found, layers.Layer) and found is not layers.Layer:
            names.setdefault(found, []).append(name)
    rows = []
    for cls, known in sorted(names.items(), key=lambda item: item[0].__name__):
        doc = inspect.getdoc(cls) or ""
        keras, torch = _sources(doc)
        first = re.sub(r"\s+", " ", doc.split("\n\n")[0]).replace("|", "\\|")
        first = re.sub(r" Keras: .*$", "", first)
        others = sorted(set(known) - {cls.__name__})
        rows.append(f"| `{cls.__name__}` | {first} | {torch} | {keras} | {', '.join(f'`{n}`' for n in others)} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(table())
    print(f"{TARGET}: {len(registry.known_names('layer'))} names, kerastorch {kerastorch.__version__}")
