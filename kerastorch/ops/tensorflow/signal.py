"""tf.signal, and complex numbers, by TensorFlow's names and with its arguments and defaults."""

from __future__ import annotations

from typing import Any

import torch

from kerastorch.config import torch_dtype
from kerastorch.ops.indexing import size_list, size_of
from kerastorch.ops.signals import dct, frames_of, overlap_and_add, raised_cosine, resized, vorbis
from kerastorch.ops.table import Table
from kerastorch.ops.values import as_tensor, dtype_of, is_tensor, sizes_of

__all__ = ["TABLE"]

TABLE = Table()


@TABLE.named("dtypes.complex", "complex")
def _complex(real: Any, imag: Any) -> Any:
    like = real if is_tensor(real) else imag
    return torch.complex(as_tensor(real, like=like), as_tensor(imag, like=like))


# Fourier transforms of the last axes

for _suffix, _count in {"": 1, "2d": 2, "3d": 3}.items():
    for _name, _function in {"fft": torch.fft.fftn, "ifft": torch.fft.ifftn}.items():

        def _complex_fft(input: Any, function: Any = _function, count: int = _count) -> Any:
            return function(input, dim=tuple(range(-count, 0)))

        TABLE.named(f"signal.{_name}{_suffix}")(_complex_fft)
    for _name, _function in {"rfft": torch.fft.rfftn, "irfft": torch.fft.irfftn}.items():

        def _real_fft(input_tensor: Any, fft_length: Any = None, function: Any = _function, count: int = _count) -> Any:
            sizes = None if fft_length is None else size_list(fft_length)
            return function(input_tensor, s=sizes, dim=tuple(range(-count, 0)))

        TABLE.named(f"signal.{_name}{_suffix}")(_real_fft)


@TABLE.named("signal.fftshift")
def _fftshift(x: Any, axes: Any = None) -> Any:
    return torch.fft.fftshift(as_tensor(x), dim=axes)


@TABLE.named("signal.ifftshift")
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return torch.fft.ifftshift(as_tensor(x), dim=axes)


# Cosine transforms


def _transformed(x: Any, kind: int, n: Any, axis: int, norm: Any) -> Any:
    if kind not in (1, 2, 3, 4) or axis != -1 or norm not in (None, "ortho") or (kind == 1 and norm):
        raise ValueError(
            f"signal.dct: type must be 1, 2, 3 or 4, axis -1, and norm None or, but for type 1, 'ortho'; got type {kind}, "
            f"axis {axis}, norm {norm!r}."
        )
    return dct(x if n is None else resized(x, n), kind, norm is not None)


@TABLE.named("signal.dct")
def _dct(input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(input, type, n, axis, norm)


@TABLE.named("signal.idct")
def _idct(input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(input, {2: 3, 3: 2}.get(type, type), n, axis, norm)


@TABLE.named("signal.mfccs_from_log_mel_spectrograms")
def _mfccs(log_mel_spectrograms: Any) -> Any:
    return dct(log_mel_spectrograms, 2, False) * (2 * sizes_of(log_mel_spectrograms)[-1]) ** -0.5


# Windows and frames


@TABLE.named("signal.hann_window")
def _hann(window_length: Any, periodic: bool = True, dtype: Any = "float32") -> Any:
    return raised_cosine(0.5, 0.5, size_of(window_length), periodic, torch_dtype(dtype))


@TABLE.named("signal.hamming_window")
def _hamming(window_length: Any, periodic: bool = True, dtype: Any = "float32") -> Any:
    return raised_cosine(0.54, 0.46, size_of(window_length), periodic, torch_dtype(dtype))


@TABLE.named("signal.vorbis_window")
def _vorbis(window_length: int, dtype: Any = "float32") -> Any:
    return vorbis(window_length, torch_dtype(dtype))


def _windowed(frames: Any, window: Any) -> Any:
    """The frames times a window, which files name and only custom code gives otherwise."""
    if window is None:
        return frames
    if isinstance(window, str):
        name = f"signal.{window}"
        if name not in TABLE or not window.endswith("_window"):
            raise ValueError(
                f"window_fn: unknown window {window!r}; known are hann_window, hamming_window, vorbis_window."
            )
        window = TABLE[name]
    return frames * window(sizes_of(frames)[-1], dtype=dtype_of(frames))


@TABLE.named("signal.frame")
def _frame(
    signal: Any, frame_length: Any, frame_step: Any, pad_end: bool = False, pad_value: Any = 0, axis: int = -1
) -> Any:
    return frames_of(signal, size_of(frame_length), size_of(frame_step), axis, pad_end, pad_value)


@TABLE.named("signal.overlap_and_add")
def _overlap_and_add(signal: Any, frame_step: int) -> Any:
    return overlap_and_add(signal, frame_step)


def _enclosing(length: int) -> int:
    return 1 << (length - 1).bit_length()


@TABLE.named("signal.stft")
def _stft(
    signals: Any, frame_length: int, frame_step: int, fft_length: Any = None, window_fn: Any = "hann_window",
    pad_end: bool = False,
) -> Any:  # fmt: skip
    frames = _windowed(frames_of(signals, frame_length, frame_step, pad_end=pad_end), window_fn)
    return torch.fft.rfft(frames, _enclosing(frame_length) if fft_length is None else fft_length)


@TABLE.named("signal.inverse_stft")
def _inverse_stft(
    stfts: Any, frame_length: int, frame_step: int, fft_length: Any = None, window_fn: Any = "hann_window"
) -> Any:
    frames = torch.fft.irfft(stfts, _enclosing(frame_length) if fft_length is None else fft_length)
    return overlap_and_add(_windowed(resized(frames, frame_length), window_fn), frame_step)


@TABLE.named("signal.mdct")
def _mdct(
    signals: Any, frame_length: int, window_fn: Any = "vorbis_window", pad_end: bool = False, norm: Any = None
) -> Any:
    frames = frames_of(signals, frame_length, frame_length // 2, pad_end=pad_end)
    frames = frames * 0.5**0.5 if window_fn is None else _windowed(frames, window_fn)
    first, second, third, fourth = torch.tensor_split(frames, 4, dim=-1)
    folded = [-torch.flip(third, [-1]) - fourth, first - torch.flip(second, [-1])]
    return dct(torch.cat(folded, dim=-1), 4, norm is not None)


@TABLE.named("signal.inverse_mdct")
def _inverse_mdct(mdcts: Any, window_fn: Any = "vorbis_window", norm: Any = None) -> Any:
    half = sizes_of(mdcts)[-1]
    y = dct(mdcts, 4, norm is not None)
    first, second = torch.tensor_split(y if norm else y * (0.5 / half), 2, dim=-1)
    frames = torch.cat([second, -torch.flip(second, [-1]), -torch.flip(first, [-1]), -first], dim=-1)
    return overlap_and_add(frames * 0.5**0.5 if window_fn is None else _windowed(frames, window_fn), half)
