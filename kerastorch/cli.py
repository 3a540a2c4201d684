"""The command `kerastorch`: inspect, convert, verify and diff model files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerastorch import tools
from kerastorch.tools.tables import counted, paragraph, readable, table
from kerastorch.training.progress import Progbar

__all__ = ["main"]

_LONG = 50_000_000
"""Bytes from which on reading a file is worth a progress bar."""
_ERRORS = (OSError, ValueError, TypeError, ImportError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given)
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _ERRORS as error:
        print(f"kerastorch {given.command}: {error}", file=sys.stderr)
        return given.failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kerastorch", description="Keras model files, on plain PyTorch.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_inspect(commands)
    _add_convert(commands)
    _add_verify(commands)
    _add_diff(commands)
    return parser


def _command(commands: Any, name: str, run: Callable[[Any], int], says: str, failed: int) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=says, description=says[0].upper() + says[1:] + ".")
    parser.set_defaults(run=run, failed=failed)
    return parser


def _add_custom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--custom",
        metavar="PATH.py",
        help="a Python file of yours, which is run: its classes and functions stand for those that the file names",
    )


# inspect


def _add_inspect(commands: Any) -> None:
    parser = _command(commands, "inspect", _inspect, "say what a file holds; nothing in it is run", 1)
    parser.add_argument("file", metavar="FILE", help=".h5, .keras, .weights.h5, .safetensors, .json or .yaml")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    _add_custom(parser)


def _inspect(given: argparse.Namespace) -> int:
    found = tools.inspect(given.file, tools.custom_objects_from(given.custom))
    if given.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print("\n".join(_inspection(found)))
    return 0


def _inspection(found: tools.Inspection) -> list[str]:
    lines = paragraph("File", f"{Path(found.path).name}: {found.container}, {readable(found.bytes)}")
    lines += paragraph("Written by", found.origin)
    if not found.weights_only:
        count = counted(sum(not info.depth for info in found.layers), "layer")
        lines += paragraph("Model", f"{found.name or '(no name)'} ({found.class_name}), {count}")
    stored = f"{found.parameters:,} parameters in {counted(found.weights, 'weight')}, {readable(found.weight_bytes)}"
    lines += paragraph("Weights", f"{stored}, {', '.join(found.dtypes)}" if found.weights else "none")
    for title, tensors in (("Inputs", found.inputs), ("Outputs", found.outputs)):
        for name, shape, dtype in tensors:
            lines += paragraph(title, f"{name} {shape} {dtype}")
            title = ""
    lines += paragraph("Training", _training(found.training))
    lines += paragraph("Opens", _opens(found))
    for need in found.needs:
        lines += paragraph("", f"- {need.kind} {need.name!r} ({_where(need.layers)}): {need.reason}")
    if found.needs:
        lines += paragraph("", "kerastorch: load_model(..., custom_objects={name: ...}); here: --custom yours.py")
    return [*lines, "", *_layers(found)] if found.layers else lines


def _opens(found: tools.Inspection) -> str:
    if found.weights_only:
        return "weights only: build the model, then model.load_weights; or give the architecture to `convert`"
    if found.opens:
        return "yes, load_model reads it" if found.weights else "yes; it has no weights"
    if found.needs:
        return f"with {counted(len(found.needs), 'replacement')}:"
    return f"no: {found.problem}"


def _where(layers: list[str]) -> str:
    shown = ", ".join(layers[:4])
    return shown if len(layers) <= 4 else f"{shown} and {len(layers) - 4} more"


def _training(training: Any) -> str:
    if training is None:
        return "nothing kept"
    parts = [f"{name} {value}" for name in ("optimizer", "loss", "metrics") if (value := getattr(training, name))]
    if training.state_arrays:
        parts.append(
            f"the optimizer's state ({counted(training.state_arrays, 'array')}, {readable(training.state_bytes)})"
        )
    return "; ".join(parts)


def _layers(found: tools.Inspection) -> list[str]:
    if found.weights_only:
        rows = [[i.name, f"{i.weights}", f"{i.parameters:,}", ", ".join(i.dtypes)] for i in found.layers]
        return table(["Stored for", "Weights", "Parameters", "Dtype"], rows, right=(1, 2))
    rows = [
        [
            "  " * info.depth + info.name,
            info.class_name,
            info.output_shape or "?",
            "" if info.parameters is None else f"{info.parameters:,}",
            ", ".join(info.dtypes),
        ]
        for info in found.layers
    ]
    return table(["Layer", "Class", "Output shape", "Parameters", "Dtype"], rows, right=(3,))


# convert


def _add_convert(commands: Any) -> None:
    parser = _command(commands, "convert", _convert, "write a model file in another form", 1)
    forms = "; ".join(f"{suffix}: {says}" for suffix, (says, _) in tools.FORMATS.items())
    parser.add_argument("file", metavar="FILE", help="whatever load_model reads; .json or .yaml with --weights")
    parser.add_argument("out", metavar="OUT", help=f"its name tells the form. {forms}")
    parser.add_argument("--weights", metavar="FILE", help="a file with the weights, where FILE has none or others")
    parser.add_argument("--dtype", help="a float type to convert to, such as float16")
    parser.add_argument("--dialect", choices=("keras2", "keras3"), help="whose form an .h5 gets")
    parser.add_argument("--batch", type=int, metavar="N", help="fix the size of the batch, in .pt2 and .onnx")
    parser.add_argument("--keep", action="store_true", help="do not replace a file that is there")
    _add_custom(parser)


def _convert(given: argparse.Namespace) -> int:
    done = tools.convert(
        given.file,
        given.out,
        weights=given.weights,
        custom_objects=tools.custom_objects_from(given.custom),
        dtype=given.dtype,
        dialect=given.dialect,
        batch=given.batch,
        overwrite=not given.keep,
        progress=_progress(given.weights or given.file),
    )
    origin = f" ({done.origin})" if done.origin else ""
    lines = paragraph("Read", f"{Path(done.source).name}{origin}: {done.parameters:,} parameters")
    for title, file in zip(["Wrote", *[""] * len(done.files)], done.files, strict=False):
        lines += paragraph(title, f"{file}, {readable(os.path.getsize(file))}")
    for title, note in zip(["Note", *[""] * len(done.notes)], done.notes, strict=False):
        lines += paragraph(title, note)
    print("\n".join(lines))
    return 0


def _progress(file: str) -> Callable[[int, int], None] | None:
    """A bar on a terminal, for files that take a while."""
    if not sys.stderr.isatty() or not os.path.exists(file) or os.path.getsize(file) < _LONG:
        return None
    bar: list[Progbar] = []

    def update(done: int, of: int) -> None:
        if not bar:
            bar.append(Progbar(of, unit_name="weight", stream=sys.stderr))
        bar[0].update(done)

    return update


# verify


def _add_verify(commands: Any) -> None:
    parser = _command(commands, "verify", _verify, "hold the numbers for a file against the real Keras's", 2)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--against", choices=("tf_keras", "keras"), help="by default the one that wrote the file")
    parser.add_argument("--ref", metavar="ARRAYS.npz", help="recorded inputs and outputs (in_0 ..., out_0 ...) instead")
    parser.add_argument("--weights", metavar="FILE", help="the weights, for a .json or .yaml; with --ref")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (0)")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="relative to the output's scale (1e-5)")
    parser.add_argument(
        "--python", metavar="PATH", help="an interpreter that has the reference, where this one has not"
    )
    parser.add_argument("--reference-custom", metavar="PATH.py", help="as --custom, for the reference")
    parser.add_argument("--trust", action="store_true", help="let the reference run code that stands in the file")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    _add_custom(parser)


def _verify(given: argparse.Namespace) -> int:
    found = tools.verify(
        given.file,
        against=given.against,
        ref=given.ref,
        seed=given.seed,
        tolerance=given.tolerance,
        custom_objects=tools.custom_objects_from(given.custom),
        weights=given.weights,
        python=given.python,
        reference_custom=given.reference_custom,
        trust=given.trust,
    )
    print(json.dumps(found.as_dict(), indent=1) if given.json else "\n".join(_verification(found)))
    return 0 if found.ok else 1


def _verification(found: tools.Verification) -> list[str]:
    lines = paragraph("File", Path(found.path).name)
    lines += paragraph("Reference", found.reference)
    lines += paragraph("Inputs", ", ".join(map(str, found.inputs)))
    rows = [_compared(part) for part in found.layers]
    rows += [_compared(part, "output ") for part in found.outputs]
    head = ["Layer", "Class", "Shape", "Largest difference", "Relative", ""]
    lines += ["", *table(head, rows, right=(3, 4)), ""]
    lines += [found.note] if found.note else []
    worst = max((part.relative for part in (*found.layers, *found.outputs)), default=0.0)
    said = f"the tolerance of {found.tolerance:g}; the largest relative difference is {worst:.1e}."
    if found.ok:
        return [*lines, f"Within {said}"]
    return [*lines, f"Beyond {said}", *([f"The first layer beyond it is {found.departs!r}."] if found.departs else [])]


def _compared(part: tools.Difference, before: str = "") -> list[str]:
    mark = "" if part.within else "<--"
    return [before + part.name, part.class_name, str(part.shape), f"{part.largest:.1e}", f"{part.relative:.1e}", mark]


# diff


def _add_diff(commands: Any) -> None:
    parser = _command(commands, "diff", _diff, "say how two model files differ", 2)
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    _add_custom(parser)


def _diff(given: argparse.Namespace) -> int:
    found = tools.diff(given.a, given.b, tools.custom_objects_from(given.custom))
    print(json.dumps(found.as_dict(), indent=1) if given.json else "\n".join(_comparison(found)))
    return 0 if found.equal else 1


def _comparison(found: tools.Comparison) -> list[str]:
    lines = paragraph("A", f"{Path(found.a).name}: {found.about_a}") + paragraph(
        "B", f"{Path(found.b).name}: {found.about_b}"
    )
    lines += [line for note in found.notes for line in paragraph("Note", note)]
    for title, names in (("Only in A", found.only_a), ("Only in B", found.only_b)):
        lines += paragraph(title, ", ".join(names)) if names else []
    if found.renamed:
        pairs = ", ".join(f"{a} -> {b}" for a, b in found.renamed)
        lines += paragraph("Renamed", f"{pairs} (compared as the same layers)")
    if found.changed:
        rows = [[change.layer, change.argument, change.a, change.b] for change in found.changed]
        lines += ["", *table(["Layer", "Argument", "A", "B"], rows)]
    if found.weights:
        rows = [[w.layer, w.weight, _shapes(w), "" if w.largest is None else f"{w.largest:.1e}"] for w in found.weights]
        lines += ["", *table(["Layer", "Weight", "Shape", "Largest difference"], rows, right=(3,))]
    same = counted(found.same_weights, "weight")
    if found.equal:
        return [*lines, "", f"Equal: {counted(found.layers, 'layer')}, {same}."]
    if not found.complete and not (found.only_a or found.only_b or found.changed):
        return [*lines, "", "Not known: the weights could not be compared."]
    count = len(found.only_a) + len(found.only_b) + len({change.layer for change in found.changed})
    said = f"{counted(count, 'layer')} and {counted(len(found.weights), 'weight')} differ"
    return [*lines, "", f"Different: {said}; {same} are equal."]


def _shapes(weight: tools.WeightChange) -> str:
    return str(weight.shape_a) if weight.shape_a == weight.shape_b else f"{weight.shape_a} -> {weight.shape_b}"
