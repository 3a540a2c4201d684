"""Calls of tf.signal; recorded.npz holds what TensorFlow returned."""

from __future__ import annotations

from tests.ops.arrays import Case, c, f

__all__ = ["CASES", "RAW_CASES"]

CASES = [
    Case("dtypes.complex", f(3, 4), f(3, 4)),
    Case("dtypes.complex", f(3, 4), 0.0),
    Case("dtypes.complex", f(3, 4), f(3, 1)),
    Case("signal.fft", c(2, 8)), Case("signal.ifft", c(2, 7)),
    Case("signal.fft2d", c(2, 4, 6)), Case("signal.ifft2d", c(2, 4, 6)),
    Case("signal.fft3d", c(2, 4, 3, 5)), Case("signal.ifft3d", c(2, 4, 3, 5)),
    Case("signal.rfft", f(2, 9)), Case("signal.rfft", f(2, 9), [16]), Case("signal.rfft", f(2, 9), fft_length=[4]),
    Case("signal.rfft2d", f(2, 4, 6)), Case("signal.rfft2d", f(2, 4, 6), [8, 4]), Case("signal.rfft3d", f(2, 4, 3, 5)),
    Case("signal.irfft", c(2, 5)), Case("signal.irfft", c(2, 5), [7]), Case("signal.irfft2d", c(2, 4, 4)),
    Case("signal.irfft2d", c(2, 4, 4), [3, 5]), Case("signal.irfft3d", c(2, 3, 4, 4)),
    Case("signal.fftshift", f(3, 5)), Case("signal.fftshift", f(3, 5), axes=[1]), Case("signal.ifftshift", f(3, 5)),
    Case("signal.ifftshift", f(3, 5), axes=-1),
    *(Case("signal.dct", f(2, 8), type=k, norm=n) for k in (1, 2, 3, 4) for n in (None, "ortho") if k > 1 or not n),
    *(Case("signal.idct", f(2, 7), type=k) for k in (1, 2, 3, 4)), Case("signal.idct", f(2, 7), norm="ortho"),
    Case("signal.dct", f(2, 8), n=5, norm="ortho"), Case("signal.dct", f(2, 8), n=11),
    Case("signal.dct", f(2, 8, dtype="float64"), n=11),
    Case("signal.mfccs_from_log_mel_spectrograms", f(2, 3, 6)),
    Case("signal.frame", f(2, 20), 6, 4), Case("signal.frame", f(2, 20), 6, 4, pad_end=True, pad_value=1.5),
    Case("signal.frame", f(2, 20), 3, 7, pad_end=True), Case("signal.frame", f(2, 9, 3), 4, 2, axis=1),
    Case("signal.frame", f(2, 9, 3), 4, 2, True, axis=-2),
    Case("signal.overlap_and_add", f(2, 5, 6), 2), Case("signal.overlap_and_add", f(2, 5, 6), 6),
    Case("signal.overlap_and_add", f(2, 5, 6), 4), Case("signal.overlap_and_add", f(2, 5, 6), 9),
    Case("signal.stft", f(2, 40), 16, 8), Case("signal.stft", f(2, 40), 15, 4, fft_length=20),
    Case("signal.stft", f(2, 40), 12, 5, fft_length=10, window_fn=None, pad_end=True),
    Case("signal.stft", f(2, 40, dtype="float64"), 12, 5),
    Case("signal.inverse_stft", c(2, 5, 9), 16, 8), Case("signal.inverse_stft", c(2, 5, 9), 12, 5, window_fn=None),
    Case("signal.inverse_stft", c(2, 5, 9), 16, 20, fft_length=10),
    Case("signal.mdct", f(2, 32), 8), Case("signal.mdct", f(2, 30), 8, window_fn=None, pad_end=True, norm="ortho"),
    Case("signal.inverse_mdct", f(2, 5, 4)), Case("signal.inverse_mdct", f(2, 5, 4), window_fn=None, norm="ortho"),
    *(Case(f"signal.{n}_window", k) for n in ("hann", "hamming") for k in (1, 8, 9)),
    Case("signal.hann_window", 8, periodic=False), Case("signal.hamming_window", 9, periodic=False),
    Case("signal.vorbis_window", 8),
]  # fmt: skip

RAW_CASES = [
    Case("Complex", real=f(3, 4), imag=f(3, 4)), Case("Real", input=c(3)), Case("Imag", input=c(3)),
    Case("ComplexAbs", x=c(3)), Case("Angle", input=c(3)), Case("Conj", input=c(3)), Case("FFT", input=c(2, 8)),
    Case("IFFT", input=c(2, 8)), Case("FFT2D", input=c(2, 4, 6)), Case("RFFT", input=f(2, 9), fft_length=[8]),
    Case("IRFFT", input=c(2, 5), fft_length=[8]), Case("RFFT2D", input=f(2, 4, 6), fft_length=[4, 6]),
]  # fmt: skip
