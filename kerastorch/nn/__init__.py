"""Torch modules that torch lacks: pure torch, no Keras in them, so that exported source can carry them along."""

__all__: list[str] = []
