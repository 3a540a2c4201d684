"""Text for a terminal: tables, sizes, and what was found, in lines of at most 100 characters."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

__all__ = ["WIDTH", "columns", "counted", "paragraph", "readable", "table"]


def _width() -> int:
    return min(max(shutil.get_terminal_size((100, 24)).columns, 80), 100)


WIDTH = _width()
"""The longest line: as wide as the terminal, but 80 to 100."""


def readable(size: float) -> str:
    """Bytes as people say them: 12 B, 3.4 kB, 5.6 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError


def counted(number: int, what: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _plain(text: str) -> str:
    """The text without what a terminal would act on: a name out of a file may hold anything."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 1)] + "…"


def columns(rows: Sequence[Sequence[str]], most: int) -> list[int]:
    """How wide each column is: as its longest cell, the widest columns narrowed until all fit into `most`."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > most:
        widest = max(range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = (), most: int = WIDTH
) -> list[str]:
    """Lines of a table with a rule below its head; the columns in `right` stand to the right."""
    rows = [[_plain(cell) for cell in row] for row in rows]
    widths = columns([head, *rows], most)
    numbers = set(right)

    def line(cells: Sequence[str]) -> str:
        cut = [_cut(cell, width) for cell, width in zip(cells, widths, strict=True)]
        placed = [c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(cut, widths, strict=True))]
        return "  ".join(placed).rstrip()

    return [line(head), "  ".join("-" * width for width in widths).rstrip(), *map(line, rows)]


def paragraph(title: str, text: str, indent: int = 12) -> list[str]:
    """`title      text`, the text wrapped beside its title."""
    lines = textwrap.wrap(_plain(text), WIDTH - indent, break_long_words=True, break_on_hyphens=False) or [""]
    return [f"{title.ljust(indent)}{lines[0]}".rstrip(), *(" " * indent + line for line in lines[1:])]
