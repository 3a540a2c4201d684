"""`Model`: a layer with a name for its parts, a summary, files, and predictions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from kerastorch import saving
from kerastorch.graph import KerasTensor
from kerastorch.layers.base import Layer
from kerastorch.layers.structures import real_tensors, shape_map, shape_of
from kerastorch.layers.symbolic import infer_outputs
from kerastorch.lowering import source
from kerastorch.models import plot
from kerastorch.models.summary import print_summary
from kerastorch.registry import custom_object_scope
from kerastorch.training.predict import predict, predict_on_batch

__all__ = ["Model"]


class Model(Layer):
    """A layer that can be summarised, saved and asked for predictions.

    `Model(inputs, outputs)` draws one between symbolic tensors; a subclass writes its layers in `__init__` and `call`.
    Starts in `eval()`; `train()`, `eval()` and `training=` work as on any layer.
    Keras: tf.keras.Model.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # What a user's class takes is its own affair: it draws itself if its __init__ passes inputs and outputs on to this one's.
        made = _functional() if cls is Model and _is_drawn(args, kwargs) else cls
        return super().__new__(made, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _is_drawn(args, kwargs):
            if not isinstance(self, _functional()):
                _inject(type(self))
            _functional().__init__(self, *args, **kwargs)  # type: ignore[misc]
            return
        super().__init__(*args, **kwargs)
        self.load_report: Any = None
        self._compile_config: dict[str, Any] | None = None

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs: what a subclass writes; NotImplementedError where it does not."""
        raise NotImplementedError(
            f"Model '{self.name}': {type(self).__name__} has no call(self, inputs). Write one, or draw the model: "
            "Model(inputs, outputs)."
        )

    call.is_default = True  # type: ignore[attr-defined]

    @classmethod
    def _default_name(cls) -> str:
        return "model" if cls in (Model, _functional()) else super()._default_name()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A model with the given architecture and new weights."""
        if {"layers", "input_layers", "output_layers"} <= config.keys() and _takes_a_graph(cls):
            functional = _functional()
            made: Any = functional if cls is Model else cls
            return functional.from_config.__func__(made, config, custom_objects)  # type: ignore[attr-defined]
        with custom_object_scope(custom_objects or {}):
            return cls(**config)

    # Parts

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, in order."""
        return self._sublayers()  # type: ignore[return-value]

    @property
    def weights(self) -> list[Any]:
        """All weights, layer by layer; then the model's own."""
        found = {id(v): v for layer in self._sublayers() for v in layer.weights}
        found.update({id(v): v for v in self._own_variables()})
        return list(found.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name or at that index in `layers`; ValueError where there is none."""
        if (name is None) == (index is None):
            raise ValueError(f"Give get_layer either a name or an index, got name={name!r}, index={index!r}.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: list[str] | None = None,
    ) -> None:
        """Prints tf.keras 2's table of layers, output shapes and parameter counts, a line a call of `print_fn`."""
        if not self.built:
            raise ValueError(
                f"Model '{self.name}' has not been built: call it on data, or build(input_shape), to get a summary."
            )
        print_summary(self, line_length, positions, print_fn or print, expand_nested, show_trainable, layer_range)

    def build(self, input_shape: Any) -> None:
        """Builds a subclassed model by running its `call` on tensors without values, of the given shape(s)."""
        if type(self).call is Model.call or self.built:
            self.built = True
            return
        inputs = shape_map(lambda shape: KerasTensor(tuple(shape), self.compute_dtype), input_shape)
        infer_outputs(self._infer, (inputs,), {}, self.name, self)
        self._built_for = input_shape
        self.built = True

    def _build_for(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if not self.built and len(args) == 1 and not real_tensors(kwargs):
            self._built_for = shape_map(lambda shape: (None, *shape[1:]), shape_of(args[0]))
        # A model's layers build themselves when they are called.
        if type(self).build is Model.build:
            self.built = True
        else:
            super()._build_for(args, kwargs)

    # Running

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The outputs for all of `x`, as NumPy arrays, computed in batches in inference mode without gradients.

        x: an array, a tensor, a list or dict of them, a DataLoader, or a generator of batches. batch_size: default 32,
        for arrays only. steps: how many batches to take; needed for an endless generator. verbose: 0, 1 or 'auto'.
        Raises ValueError for inputs of different lengths and for shapes that do not fit. Keras: Model.predict.
        """
        return predict(self, x, batch_size, verbose, steps)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, as NumPy arrays."""
        return predict_on_batch(self, x)

    def reset_states(self) -> None:
        """Sets the states of all stateful recurrent layers inside back to zero. Keras: Model.reset_states."""
        for layer in self._flatten_layers():
            if layer is not self and layer.stateful:  # type: ignore[attr-defined]
                layer.reset_states()  # type: ignore[attr-defined]

    # Files and text

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
        signatures: Any = None,
        options: Any = None,
        save_traces: bool = True,
        *,
        zipped: bool | None = None,
        dialect: str | None = None,
    ) -> None:
        """Writes the whole model: an h5 file that tf.keras and Keras 3 read, or, named '*.keras', Keras 3's archive.

        dialect: 'keras2' or 'keras3', the form of the config in an h5 file. Raises ValueError for another format, and for a
        model to which masks would give other numbers in the Keras whose form it gets.
        signatures, options and save_traces belong to TensorFlow's formats, zipped to Keras 3's: here they mean nothing.
        """
        saving.save_model(self, filepath, overwrite, include_optimizer, save_format, dialect)

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        save_format: str | None = None,
        options: Any = None,
        *,
        dialect: str | None = None,
    ) -> None:
        """Writes the weights to an h5 file: in tf.keras 2's layout, or, named '*.weights.h5', in Keras 3's; with
        dialect='keras2' as tf.keras since 2.15 reads it. options: of TensorFlow's checkpoints; they mean nothing here.
        Raises ValueError for another dialect, or for one that goes with no '*.weights.h5'."""
        saving.save_weights(self, filepath, overwrite, save_format, dialect)

    def load_weights(
        self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False, options: Any = None
    ) -> Any:
        """Reads weights from a file: legacy h5 by the order of the layers or by their names, `.weights.h5` and `.keras` by
        their paths. Returns the report of what went where. ValueError, listing every layer that does not fit, unless
        `skip_mismatch`; then nothing is changed. options: as for `save_weights`."""
        self.load_report = saving.load_weights(self, filepath, by_name, skip_mismatch)
        return self.load_report

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; keywords go to json.dumps."""
        return saving.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML; keywords go to yaml.safe_dump."""
        return saving.to_yaml(self, **kwargs)

    # Torch

    def to_torch(self) -> nn.Module:
        """A plain torch module that computes the same, with its own copy of the weights and no kerastorch in it.

        Its class was made from readable source: `inspect.getsource(type(module))`, or `torch_source()`.
        Raises ValueError, naming them, for layers whose code cannot be turned into torch modules and functions.
        """
        return source.to_torch(self._drawn())

    def torch_source(self, class_name: str | None = None) -> str:
        """The Python source of the class of `to_torch()`: needs torch only."""
        return source.torch_source(self._drawn(), class_name)

    def lowered(self) -> Any:
        """The torch.fx.GraphModule that the model runs as, on the model's own torch modules."""
        return source.graph_module(self._drawn())

    def plot_torch(self, x: Any = None, to_file: Any = None, **kwargs: Any) -> Any:
        """Draws torch's autograd graph of the output for `x` (by default zeros) with torchviz; returns the graphviz
        source object, written to `to_file` (.png, .svg, .pdf, .dot) where given."""
        return plot.plot_torch(self, x, to_file, **kwargs)

    def _drawn(self) -> Any:
        if not isinstance(self, _functional()):
            raise ValueError(
                f"Model '{self.name}' is a subclass with its own call(): only models drawn between Inputs lower to a flat "
                "torch graph. It is a torch.nn.Module as it is."
            )
        return self


def _functional() -> type:
    # Model(inputs, outputs) makes a Functional, whose base is Model: the one place where a class knows a subclass.
    return _classes["Functional"]


_classes: dict[str, type] = {}


def _is_drawn(args: tuple, kwargs: dict[str, Any]) -> bool:
    if "inputs" in kwargs and "outputs" in kwargs:
        return True
    return len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs)


def _takes_a_graph(cls: type) -> bool:
    """Whether a model is made with `cls(inputs=..., outputs=...)`."""
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    kinds = {p.kind for p in parameters}
    return {"inputs", "outputs"} <= {p.name for p in parameters} or {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    } <= kinds


def _inject(cls: type) -> None:
    """Puts Functional in the place of Model among the bases of a user's class that draws itself."""
    if cls is Model or issubclass(cls, _functional()):
        return
    if (
        getattr(cls.__dict__.get("call"), "__name__", "") == "forward"
    ):  # it stands around what is drawn, not in its place
        setattr(cls, "forward", cls.__dict__["call"])  # noqa: B010
        del cls.call
    cls.__bases__ = tuple(_functional() if base is Model else base for base in cls.__bases__)
    for base in cls.__bases__:
        if base is not object and issubclass(base, Model):
            _inject(base)
