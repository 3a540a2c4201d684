"""Layers that turn raw data (images, numbers, categories, text, sound) into what a model takes."""

__all__: list[str] = []
