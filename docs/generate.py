"""Writes docs/layers.md from the layers' docstrings: `python -m docs.generate`."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import kerastorch
from compat_tests.limits import UNREADABLE
from kerastorch import layers, registry

TARGET = Path(__file__).parent / "layers.md"
FILES = Path(__file__).parent / "fixtures.md"
HEAD = """# Layers

Written by `python -m docs.generate` from the classes; a test fails when it is out of date. The torch column names what does
the work; where nothing stands there, the layer is plain torch functions. Eras: the generations of Keras whose files hold
the layer; one of tf.keras 2 that Keras 1 had too is read from Keras 1's files as well. Differences: from tf.keras 2.

| layer | what it does | torch | Keras | eras | differences | other names |
|---|---|---|---|---|---|---|
"""
FILES_HEAD = """# Files that the real Kerases read

Written by `python -m docs.generate`. `compat_tests/test_fixtures.py` reads every recorded h5 file with kerastorch, writes it
back with `save("x.h5")`, and opens that in the Keras that made it: the outputs are the recorded ones within 1e-5 of their
scale. tf_keras opens all of them, Keras 3 all but these.
"""


def _said(doc: str, word: str) -> str:
    """The sentences after a lead word such as `Departs:`, up to the next one."""
    found = re.search(rf"\b{word}: (.+?)(?= (?:Eras|Departs|Keras(?: 3)?|[Tt]orch): |$)", re.sub(r"\s+", " ", doc))
    return found.group(1).rstrip(".").replace("|", "\\|") if found else ""


def _eras(cls: type, doc: str, keras: str) -> str:
    """The generations that have the layer: as the docstring says, else by the class that it names."""
    if cls.__module__.endswith(".keras1"):
        return "1"
    return _said(doc, "Eras") or ("3" if "(Keras 3)" in keras else "2, 3" if keras else "")


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
        first = re.sub(r" (Eras|Keras): .*$", "", first)
        others = sorted(set(known) - {cls.__name__})
        cells = [f"`{cls.__name__}`", first, torch, keras, _eras(cls, doc, keras), _said(doc, "Departs")]
        rows.append(f"| {' | '.join([*cells, ', '.join(f'`{n}`' for n in others)])} |")
    return HEAD + "\n".join(rows) + "\n"


def files() -> str:
    """The page of the files that not every Keras reads."""
    rows = "\n".join(f"| {name} | {reason} |" for name, reason in UNREADABLE.items())
    return f"{FILES_HEAD}\n## Not opened by Keras 3 even as it wrote them itself\n\n| file | why |\n|---|---|\n{rows}\n"


if __name__ == "__main__":
    TARGET.write_text(table())
    FILES.write_text(files())
    print(f"{TARGET}: {len(registry.known_names('layer'))} names, kerastorch {kerastorch.__version__}")
