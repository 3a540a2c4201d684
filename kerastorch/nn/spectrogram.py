"""Mel spectrograms."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["MelSpectrogram"]


class MelSpectrogram(nn.Module):
    """Mel spectrograms of sound (..., time) -> (..., bins, frames); in decibels where top_db is given."""

    def __init__(
        self,
        fft_length: int,
        stride: int,
        length: int,
        window: str | None,
        sampling_rate: int,
        bins: int,
        min_freq: float,
        max_freq: float,
        top_db: float | None,
        mag_exp: float,
        min_power: float,
        ref_power: float,
    ) -> None:
        super().__init__()
        self.fft_length, self.stride, self.length, self.window = fft_length, stride, length, window
        self.sampling_rate, self.bins, self.min_freq, self.max_freq = sampling_rate, bins, min_freq, max_freq
        self.top_db, self.mag_exp, self.min_power, self.ref_power = top_db, mag_exp, min_power, ref_power
        if window is None:
            shape = torch.ones(length)
        else:
            shape = (torch.hann_window if window == "hann" else torch.hamming_window)(length, periodic=True)
        self.register_buffer("window_values", shape, persistent=False)
        self.register_buffer("mel", self.mel_matrix(), persistent=False)

    def mel_matrix(self) -> torch.Tensor:
        """(fft bins, mel bins): triangles that overlap by half, evenly spaced in mel."""
        hertz = torch.linspace(0, self.sampling_rate / 2, self.fft_length // 2 + 1, dtype=torch.float64)
        low, high = (1127.0 * math.log(1.0 + f / 700.0) for f in (self.min_freq, self.max_freq))
        edges = torch.linspace(low, high, self.bins + 2, dtype=torch.float64)
        at = 1127.0 * torch.log(1.0 + hertz / 700.0)[:, None]
        rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
        weights = torch.minimum(rising, falling).clamp(min=0)
        weights[0] = 0
        return weights.float()

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """(..., time) -> (..., bins, frames)."""
        given = sound.dtype
        sound = sound if given == torch.float64 else sound.float()  # torch has no FFT of halves
        many = sound.dim() > 2  # axes in front, of which torch's stft takes one
        spectrum = torch.stft(
            sound.flatten(0, -2) if many else sound,
            self.fft_length,
            self.stride,
            self.length,
            self.window_values.to(sound.dtype),
            return_complex=True,
        )
        spectrum = spectrum.unflatten(0, sound.shape[:-1]) if many else spectrum
        power = torch.matmul(self.mel.to(sound.dtype).t(), spectrum.abs() ** self.mag_exp)
        if self.top_db is None:
            return power.to(given)
        decibels = 10 * torch.log10(power.clamp(min=self.min_power))
        decibels = decibels - 10 * math.log10(max(abs(self.ref_power), self.min_power))
        return torch.maximum(decibels, decibels.max() - self.top_db).to(given)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return (
            f"fft_length={self.fft_length}, stride={self.stride}, length={self.length}, window={self.window!r}, "
            f"sampling_rate={self.sampling_rate}, bins={self.bins}, min_freq={self.min_freq}, "
            f"max_freq={self.max_freq}, top_db={self.top_db}, mag_exp={self.mag_exp}, min_power={self.min_power}, "
            f"ref_power={self.ref_power}"
        )
