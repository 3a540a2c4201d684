"""A model as readable torch source, and as the plain module that the source makes."""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import keyword
import linecache
import operator
import re
import sys
import types
from typing import Any

import torch
from torch import fx, nn

from kerastorch.layers.base import Layer
from kerastorch.lowering import Traced, lower
from kerastorch.nn.cell_loop import CellLoop

__all__ = ["graph_module", "to_torch", "torch_source"]

_INFIX = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
    operator.mod: "%", operator.pow: "**", operator.matmul: "@", operator.lt: "<", operator.le: "<=", operator.gt: ">",
    operator.ge: ">=", operator.eq: "==", operator.ne: "!=", operator.and_: "&", operator.or_: "|", operator.xor: "^",
}  # fmt: skip


_NUMBERS = itertools.count(1)


def graph_module(model: Any) -> fx.GraphModule:
    """The graph that the model runs, as a torch.fx.GraphModule on the model's own torch modules and weights."""
    traced = lower(model, with_extras=False)
    root = nn.Module()
    for name, module in traced.modules.items():
        root.add_module(name, traced.owner(name, module))
    return fx.GraphModule(root, traced.graph, class_name=_class_name(model.name))


def torch_source(model: Any, class_name: str | None = None) -> str:
    """Python source of a torch module class that computes what the model does; it imports torch only.

    Raises ValueError, naming them, for layers that run code which cannot be traced.
    """
    return _Writer(model, class_name).source()


def to_torch(model: Any) -> nn.Module:
    """An instance of the class in `torch_source`, with a copy of the model's weights.

    Raises ValueError as `torch_source` does.
    """
    writer = _Writer(model, None)
    source = writer.source()
    file = f"<torch source of {_quoted(model.name)} {id(writer):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # for inspect.getsource
    made = types.ModuleType(f"kerastorch_exported.{writer.class_name}_{next(_NUMBERS)}")
    sys.modules[made.__name__] = made  # torch.compile looks the functions' globals up by its name
    exec(compile(source, file, "exec"), made.__dict__)
    with torch.device("meta"):
        module = getattr(made, writer.class_name)(**{name: _copy(m) for name, m in writer.given.items()})
    module.load_state_dict(writer.state(), assign=True)
    for name, original in writer.traced.modules.items():
        copied = getattr(module, name, None)
        if isinstance(copied, nn.Module):
            for inner, source_module in zip(copied.modules(), original.modules(), strict=True):
                inner.training = source_module.training
                for key in source_module._non_persistent_buffers_set:
                    inner._buffers[key] = copy.deepcopy(source_module._buffers[key])
    module.training = model.training
    originals = writer.weights()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(originals[name].requires_grad)
    return module


def _copy(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module)


class _Writer:
    """Writes one model's source, and knows where its weights stand in the class."""

    def __init__(self, model: Any, class_name: str | None) -> None:
        self.model = model
        self.class_name = class_name or _class_name(model.name)
        self.traced: Traced = self._trace()
        self._names = self._named()
        self.given: dict[str, nn.Module] = {}
        self.carried: dict[str, str] = {}
        self.lent = {
            name
            for name, module in self.traced.modules.items()
            if isinstance(module, Layer) or type(module).__name__ == "_Constant"
        }

    def _named(self) -> dict[fx.Node, str]:
        """A variable for each node: numbered anew, since passes have left gaps."""
        names: dict[fx.Node, str] = {}
        counts: dict[str, int] = {}
        taken = {node.name for node in self._placeholders()}
        taken |= {node.target.__name__ for node in self.traced.graph.nodes if _is_ours(node.target)}
        for node in self.traced.graph.nodes:
            base = node.name if node.op == "placeholder" else re.sub(r"_\d+$", "", node.name)
            if node.op == "call_module":
                base = str(node.target)
            elif node.target is getattr:
                base = str(node.args[1])
            name = base
            while node.op != "placeholder" and (name in taken or keyword.iskeyword(name)):
                counts[base] = counts.get(base, 0) + 1
                name = f"{base}_{counts[base]}"
            taken.add(name)
            names[node] = name
        return names

    def _trace(self) -> Traced:
        texts = [x.name for x in self.model.inputs if x.dtype == "string"]
        if texts:
            raise ValueError(
                f"Model '{self.model.name}' cannot be written as plain torch: {texts} take strings, of which torch has no "
                "tensors."
            )
        mixed = [layer.name for layer in self.model._flatten_layers() if layer.is_mixed]
        if mixed:
            raise ValueError(
                f"Model '{self.model.name}' cannot be written as plain torch: {mixed} compute in mixed precision. Set "
                "layer.dtype_policy = 'float32' on them first, and call the torch module under torch.autocast."
            )
        try:
            traced = lower(self.model, opaque=False, with_extras=False)
        except Exception as error:
            users = [
                f"'{layer.name}' ({type(layer).__name__})"
                for layer in self.model._flatten_layers()
                if not layer.is_traceable
            ]
            if not users:
                raise
            raise ValueError(
                f"Model '{self.model.name}' cannot be written as plain torch: a layer that is not the library's own branches on "
                f"values or does what torch.fx cannot trace; one of {', '.join(users)}: {type(error).__name__}: {error}"
            ) from error
        left = [
            n.meta["layer"].name
            for n in traced.graph.nodes
            if n.op == "call_module" and isinstance(traced.modules[n.target], (Layer, CellLoop))
        ]
        if left:
            raise ValueError(
                f"Model '{self.model.name}' cannot be written as plain torch: {left} are no torch modules, or go over time with "
                "a cell that is none."
            )
        return traced

    # Weights

    def weights(self) -> dict[str, torch.Tensor]:
        """The model's own tensors under the names that they have in the written class."""
        found = {}
        for target, module in self.traced.modules.items():
            if target in self.lent:
                tensors = {**module._parameters, **module._buffers}
                found.update(
                    {f"{target}_{key}": x for key, x in tensors.items() if (target, key) in self._lent_weights()}
                )
            else:
                found.update({f"{target}.{key}": x for key, x in module.state_dict(keep_vars=True).items()})
        return found

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of them."""
        return {name: x.detach().clone() for name, x in self.weights().items()}

    def _lent_weights(self) -> dict[tuple[str, str], torch.Tensor]:
        found = {}
        for node in self.traced.graph.nodes:
            if node.op == "get_attr":
                target, _, key = str(node.target).partition(".")
                if target in self.lent:
                    module = self.traced.modules[target]
                    found[target, key] = nn.Module.__getattr__(module, key)
        return found

    # Text

    def source(self) -> str:
        """The whole file."""
        init, forward = self._init(), self._forward()
        parameters = "".join(f", {name}" for name in self.given)
        lines = [
            f'"""{_quoted(self.model.name)}: a torch module written by kerastorch from a Keras model. Needs torch only."""',
            "",
            *(["from __future__ import annotations", ""] if self.carried else []),
            *self._imports(forward + init),
            "",
            "",
            *(line for text in self.carried.values() for line in (*text.rstrip().splitlines(), "", "")),
            f"class {self.class_name}(nn.Module):",
            f'    """{self._signature()}"""',
            "",
            f"    def __init__(self{parameters}):",
            "        super().__init__()",
            *(f"        {line}" for line in init),
            *self._train(),
            "",
            f"    def forward(self, {', '.join(n.name for n in self._placeholders())}):",
            *(f"        {line}" for line in forward),
        ]
        return "\n".join(lines) + "\n"

    def _imports(self, lines: list[str]) -> list[str]:
        text = "\n".join((*lines, *self.carried.values()))
        known = {
            "import math": r"\bmath\.",
            "import torch": r"\btorch\.",
            "from torch import nn": r".",
            "from torch.nn import functional as F": r"\bF\.",
        }
        return [line for line, used in known.items() if re.search(used, text)]

    def _placeholders(self) -> list[fx.Node]:
        return [n for n in self.traced.graph.nodes if n.op == "placeholder"]

    def _signature(self) -> str:
        def said(tensors: list[Any]) -> str:
            return ", ".join(f"{x.shape} {x.dtype}" for x in tensors)

        return f"{said(self.model.inputs)} -> {said(self.model.outputs)}"

    def _init(self) -> list[str]:
        lines = []
        for target, module in self.traced.modules.items():
            if target in self.lent:
                continue
            constructor = self._constructor(module)
            if constructor is None:
                self.given[target] = module
                constructor = target
            lines.append(f"self.{target} = {constructor}")
        for (target, key), tensor in self._lent_weights().items():
            empty = f"torch.empty({tuple(tensor.shape)}, dtype={tensor.dtype})"
            if isinstance(tensor, nn.Parameter):
                lines.append(f"self.{target}_{key} = nn.Parameter({empty})")
            else:
                lines.append(f'self.register_buffer("{target}_{key}", {empty})')
        return lines

    def _constructor(self, module: nn.Module) -> str | None:
        """An expression that makes such a module, or None where only its own author knows one."""
        place = type(module).__module__
        if place.startswith("kerastorch.nn"):
            for cls in reversed(type(module).__mro__):
                if cls.__module__.startswith("kerastorch.nn"):
                    self._carry(cls)
            return self._checked(f"{type(module).__name__}({module.extra_repr()})")
        if isinstance(module, nn.Sequential) and type(module) is nn.Sequential:
            inner = [self._constructor(m) for m in module]
            return None if None in inner else f"nn.Sequential({', '.join(inner)})"  # type: ignore[arg-type]
        if place.startswith("torch.nn.modules") and not list(module.children()):
            return _constructor_call(module)
        return None

    def _checked(self, expression: str) -> str:
        """The expression, if it makes known modules of plain values: what a config holds must not become code."""
        try:
            nodes = list(ast.walk(ast.parse(expression, mode="eval")))
        except SyntaxError:
            nodes = [ast.Pass()]
        called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
        known = all(name in (*self.carried, "float", "slice") or re.fullmatch(r"nn\.[A-Z]\w*", name) for name in called)
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        if known and names <= {*self.carried, *_NAMESPACES} and all(isinstance(node, _PLAIN) for node in nodes):
            return expression
        raise ValueError(
            f"Model '{self.model.name}' cannot be written as plain torch: a layer holds a value that is no plain one: "
            f"{expression:.200}"
        )

    def _carry(self, obj: Any) -> None:
        """Takes along the source of a class or function of kerastorch.nn, and of what it uses from there."""
        if obj.__name__ in self.carried:
            return
        text = inspect.getsource(obj)
        scope = vars(inspect.getmodule(obj))
        # The names in the code, not the words of its docstrings, which may well name what uses it.
        names = [node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
        for name in dict.fromkeys(names):
            used = scope.get(name)
            ours = getattr(used, "__module__", "") or ""
            if used is not obj and callable(used) and isinstance(ours, str) and ours.startswith("kerastorch.nn"):
                self._carry(used)
            elif re.fullmatch(r"_[A-Z_]+", name) and name in scope:
                self.carried.setdefault(name, f"{name} = {scope[name]!r}")
        self.carried[obj.__name__] = text

    def _train(self) -> list[str]:
        frozen = {
            id(inner)
            for layer in self.model._flatten_layers()
            if not layer.trainable
            for inner in layer._modules.values()
            if isinstance(inner, nn.modules.batchnorm._BatchNorm)
        }
        names = [name for name, module in self.traced.modules.items() if id(module) in frozen]
        if not names:
            return []
        return [
            "",
            "    def train(self, mode=True):",
            "        super().train(mode)",
            *(f"        self.{name}.eval()  # frozen" for name in names),
            "        return self",
        ]

    def _forward(self) -> list[str]:
        lines: list[str] = []
        layer = None
        for node in self.traced.graph.nodes:
            if node.op in ("placeholder", "get_attr"):
                continue
            if node.op == "output":
                lines.append(f"return {self._value(node.args[0])}")
                continue
            if node.meta.get("layer") is not layer and node.meta.get("layer") is not None:
                layer = node.meta["layer"]
                lines.append(f"# {_quoted(layer.name)} ({type(layer).__name__})")
            lines.append(f"{self._names[node]} = {self._expression(node)}")
        return lines

    def _expression(self, node: fx.Node) -> str:
        args = [self._value(a) for a in node.args]
        defaults = _defaults(node.target) if node.op == "call_function" else {}
        given = {key: a for key, a in node.kwargs.items() if key not in defaults or a is not defaults[key]}
        keywords = [f"{key}={self._value(a)}" for key, a in given.items() if key != "_stacklevel"]
        if node.op == "call_module":
            return f"self.{node.target}({', '.join((*args, *keywords))})"
        if node.op == "call_method":
            return f"{args[0]}.{node.target}({', '.join((*args[1:], *keywords))})"
        if node.target in _INFIX:
            return f"{args[0]} {_INFIX[node.target]} {args[1]}"
        if node.target is operator.getitem:
            return f"{args[0]}[{self._index(node.args[1])}]"
        if node.target is getattr:
            return f"{args[0]}.{node.args[1]}"
        if node.target in (operator.neg, operator.invert, operator.abs):
            return {"neg": "-{}", "invert": "~{}", "abs": "abs({})"}[node.target.__name__].format(args[0])
        return f"{self._function(node.target)}({', '.join((*args, *keywords))})"

    def _function(self, function: Any) -> str:
        if _is_ours(function):
            self._carry(function)
            return function.__name__
        module = getattr(function, "__module__", "") or ""
        name = torch.overrides.resolve_name(function)
        if name is None:
            name = function.__name__ if module == "builtins" else f"{module}.{function.__name__}"
        name = name.replace("torch.nn.functional.", "F.").replace("torch._C._nn.", "F.")
        if not name.startswith(("torch.", "F.")) and module != "builtins":
            raise ValueError(
                f"Model '{self.model.name}': the function {name} is none of torch's, so it cannot be written as torch source."
            )
        return name

    def _index(self, index: Any) -> str:
        if isinstance(index, tuple):
            return ", ".join(self._index(i) for i in index) + ("," if len(index) == 1 else "")
        if isinstance(index, slice):
            parts = ["" if part is None else self._value(part) for part in (index.start, index.stop)]
            return ":".join(parts) + (f":{self._value(index.step)}" if index.step is not None else "")
        return "..." if index is Ellipsis else self._value(index)

    def _value(self, x: Any) -> str:
        if isinstance(x, fx.Node):
            if x.op == "get_attr":
                target, _, key = str(x.target).partition(".")
                return f"self.{target}_{key}" if target in self.lent else f"self.{x.target}"
            return self._names[x]
        if isinstance(x, (list, tuple)) and not isinstance(x, torch.Size):
            inner = ", ".join(self._value(y) for y in x)
            return f"[{inner}]" if isinstance(x, list) else f"({inner}{',' if len(x) == 1 else ''})"
        if isinstance(x, dict):
            return "{" + ", ".join(f"{key!r}: {self._value(y)}" for key, y in x.items()) + "}"
        if isinstance(x, slice):
            return f"slice({self._value(x.start)}, {self._value(x.stop)}, {self._value(x.step)})"
        if isinstance(x, float) and (x != x or x in (float("inf"), float("-inf"))):
            return f"float('{x}')"
        return repr(x)


def _constructor_call(module: nn.Module) -> str | None:
    """`nn.Conv2d(3, 8, kernel_size=(3, 3), bias=False)`: what differs from the defaults. None for a module that does not
    keep what it was made with. (Its repr is no expression where an argument is a string.)"""
    given = []
    for name, parameter in inspect.signature(type(module).__init__).parameters.items():
        if name in ("self", "device", "dtype") or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if not hasattr(module, name):
            if parameter.default is parameter.empty:
                return None
            continue
        value = getattr(module, name)
        if isinstance(parameter.default, bool) and not isinstance(value, bool):
            value = value is not None
        if not isinstance(value, (type(None), bool, int, float, str, tuple)):
            return None
        if value != parameter.default or parameter.default is parameter.empty:
            given.append(repr(value) if parameter.default is parameter.empty else f"{name}={value!r}")
    return f"nn.{type(module).__name__}({', '.join(given)})"


def _is_ours(function: Any) -> bool:
    """Whether this is a function of kerastorch.nn, which the source carries along."""
    return callable(function) and (getattr(function, "__module__", "") or "").startswith("kerastorch.nn")


def _defaults(function: Any) -> dict[str, Any]:
    """A function's defaults, where it tells them."""
    try:
        return {p.name: p.default for p in inspect.signature(function).parameters.values()}
    except ValueError:  # torch's builtins do not
        return {}


_NAMESPACES = ("nn", "torch", "math", "float", "slice")
_PLAIN = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Attribute, ast.keyword, ast.Constant, ast.Tuple, ast.List, ast.Dict,
    ast.UnaryOp, ast.USub,
)  # fmt: skip
"""What an expression that makes a module may consist of."""


def _quoted(name: str) -> str:
    """A name, which may come out of a file, as it can stand in a comment or docstring and nowhere end it."""
    return name.encode("unicode_escape").decode().replace('"', "'") if not name.isidentifier() else name


def _class_name(name: str) -> str:
    words = re.split(r"\W+|_", name, flags=re.ASCII)
    joined = "".join(word[:1].upper() + word[1:] for word in words if word)
    return joined if joined[:1].isalpha() and not keyword.iskeyword(joined) else f"Model{joined}"
