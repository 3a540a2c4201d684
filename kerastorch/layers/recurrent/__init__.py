"""Recurrent layers and their cells. Keras: tf.keras.layers.RNN and below."""

from kerastorch.layers.recurrent.base import RNN
from kerastorch.layers.recurrent.bidirectional import Bidirectional
from kerastorch.layers.recurrent.cells import AbstractRNNCell, StackedRNNCells
from kerastorch.layers.recurrent.convolutional import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from kerastorch.layers.recurrent.cudnn import CuDNNGRU, CuDNNLSTM
from kerastorch.layers.recurrent.gru import GRU, GRUCell
from kerastorch.layers.recurrent.lstm import LSTM, LSTMCell
from kerastorch.layers.recurrent.simple import SimpleRNN, SimpleRNNCell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AbstractRNNCell",
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
