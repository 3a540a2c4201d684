"""STFTSpectrogram and MelSpectrogram of Keras 3."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from kerastorch.config import epsilon, torch_dtype
from kerastorch.initializers import STFT
from kerastorch.layers.arguments import number, whole
from kerastorch.layers.base import Layer
from kerastorch.layers.input_spec import InputSpec
from kerastorch.nn.convolution import SamePad
from kerastorch.nn.spectrogram import MelSpectrogram as MelSpectrogramModule
from kerastorch.variables import CONVOLUTION

__all__ = ["MelSpectrogram", "STFTSpectrogram"]

_LARGEST = 2**26
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Spectrograms of raw sound by short-time Fourier transform, whose kernels may be trained.

    (batch, time, channels) -> (batch, frames, channels * bins), bins being fft_length // 2 + 1; with expand_dims
    (batch, frames, bins, channels). mode: 'log', 'magnitude', 'psd', 'real', 'imag', 'angle' or 'stft' (real and
    imaginary bins). Weights: real_kernel, imag_kernel: (frame_length, 1, bins), those that the mode needs.
    Raises ValueError for a bad frame_step, fft_length, mode, scaling or padding, and for an unknown number of channels.
    Keras: keras.layers.STFTSpectrogram (Keras 3); torch: nn.Conv1d.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        frames = {"frame_length": frame_length, "frame_step": frame_step, "fft_length": fft_length}
        for name, value in frames.items():
            if value is not None:
                whole(self, name, value)
        problem = None
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            problem = f"frame_step must be a positive integer up to frame_length={frame_length}, got {frame_step}"
        elif fft_length is not None and fft_length < frame_length:
            problem = f"fft_length must not be less than frame_length={frame_length}, got {fft_length}"
        elif mode not in _MODES:
            problem = f"mode must be one of {_MODES}, got {mode!r}"
        elif scaling not in (None, "density", "spectrum"):
            problem = f"scaling must be None, 'density' or 'spectrum', got {scaling!r}"
        elif padding not in ("valid", "same"):
            problem = f"padding must be 'valid' or 'same', got {padding!r}"
        elif data_format not in (None, "channels_last", "channels_first"):
            problem = f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        if problem:
            raise ValueError(f"STFTSpectrogram '{self.name}': {problem}.")
        self.mode, self.frame_length, self.frame_step, self.fft_length = mode, frame_length, frame_step, fft_length
        self.window, self.periodic, self.scaling, self.padding = window, periodic, scaling, padding
        self.expand_dims, self.data_format = expand_dims, data_format or "channels_last"
        self._step = frame_step or frame_length // 2
        self._bins = (fft_length or 2 ** math.ceil(math.log2(frame_length))) // 2 + 1
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        """Makes the kernels."""
        self._channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        if self._channels is None:
            raise ValueError(
                f"STFTSpectrogram '{self.name}': the number of channels must be known, got shape {tuple(input_shape)}."
            )
        self._pad = SamePad((self.frame_length,), (self._step,), (1,)) if self.padding == "same" else nn.Identity()
        for side in ("real", "imag"):
            if self.mode == ("imag" if side == "real" else "real"):
                continue
            convolution = nn.Conv1d(1, self._bins, self.frame_length, self._step, bias=False, device="meta")
            setattr(self, f"_{side}", convolution)
            initializer = STFT(side, self.window, self.scaling, self.periodic)
            kernel = self.add_variable(f"{side}_kernel", convolution, "weight", CONVOLUTION, initializer)
            setattr(self, f"{side}_kernel", kernel)
        self.built = True

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The spectrograms."""
        sound = inputs.permute(0, 2, 1) if self.data_format == "channels_last" else inputs
        sound = self._pad(sound.flatten(0, 1).unsqueeze(1))
        if self.mode in ("real", "imag"):
            return self._shaped(self._real(sound) if self.mode == "real" else self._imag(sound))
        real, imag = self._real(sound), self._imag(sound)
        if self.mode == "angle":
            return self._shaped(torch.atan2(imag, real))
        if self.mode == "stft":
            return self._shaped(torch.cat([real, imag], dim=1))
        power = torch.square(real) + torch.square(imag)
        if self.mode == "psd":
            return self._shaped(power + nn.functional.pad(power[:, 1:-1], (0, 0, 1, 1)))
        magnitude = torch.sqrt(power.clamp_min(epsilon()))
        return self._shaped(magnitude if self.mode == "magnitude" else torch.log(magnitude.clamp_min(epsilon())))

    def _shaped(self, bins: torch.Tensor) -> torch.Tensor:
        """(batch * channels, bins, frames) as the arguments want it."""
        bins = bins.unflatten(0, (-1, self._channels))
        last = self.data_format == "channels_last"
        if self.expand_dims:
            return bins.permute(0, 3, 2, 1) if last else bins.permute(0, 1, 3, 2)
        bins = bins.flatten(1, 2)
        return bins.permute(0, 2, 1) if last else bins

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, frames, channels * bins), or with the channels apart."""
        last = self.data_format == "channels_last"
        time, channels = (input_shape[1], input_shape[2]) if last else (input_shape[2], input_shape[1])
        frames = time
        if time is not None:
            frames = -(-time // self._step) if self.padding == "same" else (time - self.frame_length) // self._step + 1
        bins = self._bins * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (input_shape[0], frames, bins, channels) if last else (input_shape[0], channels, frames, bins)
        return (input_shape[0], frames, bins * channels) if last else (input_shape[0], bins * channels, frames)


class MelSpectrogram(Layer):
    """Mel spectrograms of raw sound.

    Shapes: (batch, ..., time) -> (batch, ..., num_mel_bins, frames), or (time,) -> (num_mel_bins, frames).
    power_to_db: in decibels below ref_power, top_db deep.
    Raises ValueError where fft_length is less than sequence_length, and for an unknown window.
    Keras: keras.layers.MelSpectrogram (Keras 3); torch: torch.stft.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: str | None = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        counts = {"fft_length": fft_length, "sequence_stride": sequence_stride, "num_mel_bins": num_mel_bins}
        for name, value in counts.items():
            whole(self, name, value)
        if sequence_length:
            whole(self, "sequence_length", sequence_length)
        levels: dict[str, Any] = {
            "sampling_rate": sampling_rate, "min_freq": min_freq, "max_freq": max_freq or 0, "top_db": top_db or 0,
            "mag_exp": mag_exp, "min_power": min_power, "ref_power": ref_power,
        }  # fmt: skip
        for name, level in levels.items():
            number(self, name, level, TypeError if name in ("sampling_rate", "top_db") else ValueError)
        self.fft_length, self.sequence_stride = fft_length, sequence_stride
        self.sequence_length = sequence_length or fft_length
        if fft_length < self.sequence_length or window not in ("hann", "hamming", None):
            raise ValueError(
                f"MelSpectrogram '{self.name}': fft_length must not be less than sequence_length, and window must "
                "be 'hann', "
                f"'hamming' or None; got {fft_length}, {self.sequence_length} and {window!r}."
            )
        if fft_length * num_mel_bins > _LARGEST:
            raise ValueError(
                f"MelSpectrogram '{self.name}': fft_length * num_mel_bins must be at most {_LARGEST}, as a matrix of that size "
                f"is made at once, got {fft_length} and {num_mel_bins}."
            )
        self.window, self.sampling_rate, self.num_mel_bins = window, sampling_rate, num_mel_bins
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power
        self.spectrogram = MelSpectrogramModule(
            fft_length, sequence_stride, self.sequence_length, window, sampling_rate, num_mel_bins, min_freq,
            self.max_freq, top_db if power_to_db else None, mag_exp, min_power, ref_power,
        )  # fmt: skip

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        """The spectrograms."""
        return self.spectrogram(inputs.to(torch_dtype(self._compute_dtype)))

    def compute_output_dtype(self, input_dtype: str) -> str:
        """The layer's own."""
        return self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, ..., num_mel_bins, frames)."""
        time = input_shape[-1]
        # An even fft_length reflects half of it at each end.
        padded = None if time is None else time + 2 * (self.fft_length // 2) - self.fft_length
        frames = None if padded is None else padded // self.sequence_stride + 1
        return (*input_shape[:-1], self.num_mel_bins, frames)
