"""A model file in another form: Keras's own, safetensors, torch's exported programs, ONNX, or Python source."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from kerastorch.saving.atomic import check_overwrite, replacing
from kerastorch.saving.report import watching
from kerastorch.tools.reading import read_model
from kerastorch.tools.samples import sample_inputs

__all__ = ["FORMATS", "Conversion", "convert"]

_KERAS = (".h5", ".hdf5", ".keras")


@dataclass
class Conversion:
    """What `convert` did. files: what was written. origin: who wrote the source. weights: how many went over. notes: what
    the target cannot hold, or holds in another way."""

    source: str
    target: str
    form: str
    origin: str
    weights: int
    parameters: int
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert(
    source: Any,
    target: Any,
    weights: Any = None,
    custom_objects: Any = None,
    dtype: Any = None,
    dialect: str | None = None,
    batch: int | None = None,
    overwrite: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Writes the model in `source` to `target`, whose name tells the form (`FORMATS`), atomically.

    source: whatever load_model reads, or an architecture (`.json`, `.yaml`) with `weights`, a file of weights.
    dtype: a float type to convert to. dialect: 'keras2' or 'keras3', for h5. batch: a fixed size of the batch, for `.pt2`
    and `.onnx`, which else take any. progress: called as progress(read, of) while weights are read.
    Raises as load_model and save do; ValueError for another form and for a model that the form cannot hold, ImportError,
    with the command that installs it, where a package is missing.
    """
    path = Path(target)
    form = _form(path)
    for file in (path, path.with_suffix(".pt")) if form == ".py" else (path,):
        check_overwrite(file, overwrite)
    _check_options(form, dialect, batch)
    if form == ".onnx":
        _require_onnx()
    with watching(progress) if progress else contextlib.nullcontext():
        model = read_model(source, weights, custom_objects, dtype, device="cpu")
    report = model.load_report
    done = Conversion(
        str(source),
        str(path),
        form,
        str(report.origin) if report is not None else "",
        len(model.weights),
        sum(v.tensor.numel() for v in model.weights),
    )
    FORMATS[form][1](model, path, done, dialect=dialect, batch=batch)
    return done


def _form(path: Path) -> str:
    name = path.name.lower()
    form = next((suffix for suffix in FORMATS if name.endswith(suffix)), None)
    if form is None:
        known = ", ".join(f"{suffix} ({says})" for suffix, (says, _) in FORMATS.items())
        raise ValueError(f"Cannot tell what to write from the name {path.name!r}; it should end in one of: {known}.")
    return form


def _check_options(form: str, dialect: str | None, batch: int | None) -> None:
    if dialect is not None and form not in _KERAS:
        raise ValueError(f"dialect={dialect!r} is for .h5 files; {form} has one form only.")
    if batch is not None and form not in (".pt2", ".onnx"):
        raise ValueError(f"batch={batch} is for .pt2 and .onnx; {form} takes a batch of any size.")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}.")


# Keras's forms and safetensors


def _write_model(model: Any, path: Path, done: Conversion, dialect: str | None, batch: int | None) -> None:
    model.save(path, dialect=dialect)
    done.files.append(str(path))


def _write_weights(model: Any, path: Path, done: Conversion, dialect: str | None, batch: int | None) -> None:
    model.save_weights(path)
    done.files.append(str(path))
    if done.form == ".weights.h5":
        done.notes.append("weights alone: the architecture is not in the file")
    elif model._compile_config:
        done.notes.append("what the source keeps of its training is not in the file")


# Torch's forms


def _plain(model: Any, done: Conversion) -> torch.nn.Module:
    """The model without kerastorch in it, where it can be written so; else itself."""
    try:
        return model.to_torch()
    except ValueError as error:
        done.notes.append(f"not plain torch: {str(error).splitlines()[0]}")
        return model


def _arguments(model: Any, batch: int | None) -> tuple[tuple[torch.Tensor, ...], tuple[dict[int, Any], ...]]:
    """Sample inputs, and which of their axes stay open."""
    arrays = sample_inputs(model, batch or 2)
    tensors = tuple(torch.as_tensor(array) for array in arrays)
    shapes = []
    for x in model.inputs:
        axes: dict[int, Any] = {i: torch.export.Dim.AUTO for i, n in enumerate(x.shape) if n is None and i}
        if x.shape[0] is None and batch is None:
            axes[0] = torch.export.Dim.AUTO
        shapes.append(axes)
    return tensors, tuple(shapes)


def _exported(model: Any, done: Conversion, batch: int | None, export: Callable[..., Any], form: str) -> Any:
    """What `export(module, arguments, dynamic_shapes=...)` makes: with a batch of any size, unless one is given or the
    model allows only one."""
    tensors, shapes = _arguments(model, batch)
    plain = _plain(model, done).eval()
    arguments = tensors if plain is not model or len(tensors) == 1 else (list(tensors),)
    dynamic = shapes if plain is not model or len(tensors) == 1 else (list(shapes),)
    try:
        made = export(plain, arguments, dynamic_shapes=dynamic)
    except Exception as error:  # torch's exporters raise whatever a model meets in them
        raise ValueError(f"torch cannot write model '{model.name}' as {form}: {_cause(error)}") from error
    fixed = [
        f"{x.name}, axis {axis}"
        for x, axes, sizes in zip(model.inputs, shapes, _sizes(getattr(made, "exported_program", made)), strict=False)
        for axis in axes
        if axis < len(sizes) and str(sizes[axis]).isdigit()  # also a symbol that was found to be a number
    ]
    if fixed:
        done.notes.append(f"of a fixed size, as the model's code asks for it: {'; '.join(fixed)}")
    stateful = [layer.name for layer in model._flatten_layers() if getattr(layer, "stateful", False)]
    if stateful:
        done.notes.append(f"without a memory between calls, which these layers have in Keras: {', '.join(stateful)}")
    return made


def _sizes(program: Any) -> list[tuple[Any, ...]]:
    names = set(program.graph_signature.user_inputs)
    return [tuple(n.meta["val"].shape) for n in program.graph.nodes if n.op == "placeholder" and n.name in names]


def _write_program(model: Any, path: Path, done: Conversion, dialect: str | None, batch: int | None) -> None:
    with _quietly():
        program = _exported(model, done, batch, torch.export.export, "a program")
        with replacing(path) as temporary, open(temporary, "wb") as file:
            torch.export.save(program, file)  # by an open file, as a name would have to end in .pt2
    done.files.append(str(path))


def _require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"Writing .onnx needs {' and '.join(missing)}: pip install {' '.join(missing)}.")


def _write_onnx(model: Any, path: Path, done: Conversion, dialect: str | None, batch: int | None) -> None:
    large = sum(v.tensor.numel() * v.tensor.element_size() for v in model.weights) > 1_900_000_000
    with _quietly(), tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        export = partial(
            torch.onnx.export,
            dynamo=True,
            input_names=[_identifier(name) for name in model.input_names],
            output_names=[_identifier(name) for name in _distinct(model)],
        )
        made = _exported(model, done, batch, export, "ONNX")
        made.save(str(Path(folder) / path.name), external_data=large)
        # The data first: a file that refers to what is not there yet is the worse half.
        for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
            os.replace(file, path.parent / file.name)
            done.files.insert(0, str(path.parent / file.name))


def _cause(error: BaseException) -> str:
    """The first line of what an exception came from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0]


def _distinct(model: Any) -> list[str]:
    inputs = set(model.input_names)
    return [f"{name}_out" if name in inputs else name for name in model.output_names]


def _identifier(name: str) -> str:
    return re.sub(r"[^\w.\-/]", "_", name)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch's exporters print and warn of on their way."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


# Python source


_LOADER = '''

def load(weights=None):
    """The module with its weights, for inference; they lie beside this file unless `weights` names another."""
    module = {name}()
    path = Path(weights) if weights else Path(__file__).with_suffix(".pt")
    module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
{frozen}    return module.eval()


if __name__ == "__main__":
    print(load())
'''


def _write_source(model: Any, path: Path, done: Conversion, dialect: str | None, batch: int | None) -> None:
    if not path.stem.isidentifier():
        done.notes.append(f"{path.stem!r} is no name that Python can import; run it, or rename both files")
    module = model.to_torch()
    given = list(inspect.signature(type(module).__init__).parameters)[1:]
    if given:
        raise ValueError(
            f"Model '{model.name}' cannot be written as a file of its own: {given} are modules whose source is not known "
            "to kerastorch."
        )
    frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
    lines = "".join(f"    module.get_parameter({name!r}).requires_grad_(False)\n" for name in frozen)
    source = _with_imports(model.torch_source())
    source += _LOADER.format(name=type(module).__name__, frozen=lines)
    tensors = path.with_suffix(".pt")
    with replacing(tensors) as temporary:
        torch.save(module.state_dict(), temporary)
    with replacing(path) as temporary:
        temporary.write_text(source, encoding="utf-8")
    done.files += [str(path), str(tensors)]


def _with_imports(source: str) -> str:
    """The source with what the loader imports."""
    head, line, rest = source.partition("from torch import nn\n")
    before, torch_line, _ = head.partition("import torch\n")
    return f"{before}from pathlib import Path\n\n{torch_line or 'import torch'}".rstrip() + f"\n{line}{rest}"


FORMATS: dict[str, tuple[str, Callable[..., None]]] = {
    ".weights.h5": ("Keras 3's weights", _write_weights),
    ".h5": ("Keras's h5", _write_model),
    ".hdf5": ("the same", _write_model),
    ".keras": ("Keras 3's archive", _write_model),
    ".safetensors": ("weights under torch's names", _write_weights),
    ".pt2": ("torch.export's program", _write_program),
    ".onnx": ("ONNX", _write_onnx),
    ".py": ("torch source, its weights beside it", _write_source),
}
"""The forms by how a file's name ends: what they are, and what writes them."""
