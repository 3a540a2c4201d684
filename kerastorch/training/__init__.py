"""The loops: predictions."""

from kerastorch.training.predict import predict, predict_on_batch
from kerastorch.training.progress import Progbar

__all__ = ["Progbar", "predict", "predict_on_batch"]
