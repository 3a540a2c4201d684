"""What the command line does, as functions: they return what they find and print nothing."""

from kerastorch.tools.comparison import Change, Comparison, WeightChange, diff
from kerastorch.tools.conversion import FORMATS, Conversion, convert
from kerastorch.tools.custom import custom_objects_from
from kerastorch.tools.inspection import Inspection, LayerInfo, Need, inspect
from kerastorch.tools.verification import Difference, NotComparableError, Verification, verify

__all__ = [
    "FORMATS",
    "Change",
    "Comparison",
    "Conversion",
    "Difference",
    "Inspection",
    "LayerInfo",
    "Need",
    "NotComparableError",
    "Verification",
    "WeightChange",
    "convert",
    "custom_objects_from",
    "diff",
    "inspect",
    "verify",
]
