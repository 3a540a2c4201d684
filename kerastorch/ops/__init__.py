"""Functions that files know by other frameworks' names, over torch's: tables of TensorFlow's and of Keras 3's."""

__all__: list[str] = []
