"""The hashes of strings that TensorFlow uses, in plain Python: FarmHash's Fingerprint64, SipHash-2-4, and their
mixing.
"""

from __future__ import annotations

import functools
import struct

__all__ = ["concatenate", "fingerprint64", "siphash"]

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _rotate(x: int, by: int) -> int:
    x &= _MASK
    return ((x >> by) | (x << (64 - by))) & _MASK


def _shift_mix(x: int) -> int:
    x &= _MASK
    return x ^ (x >> 47)


def _mix16(u: int, v: int, mul: int) -> int:
    a = _shift_mix((u ^ v) * mul)
    b = _shift_mix((v ^ a) * mul)
    return (b * mul) & _MASK


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _half(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _up_to_16(data: bytes) -> int:
    n = len(data)
    mul = _K2 + n * 2
    if n >= 8:
        a, b = _word(data, 0) + _K2, _word(data, n - 8)
        c = (_rotate(b, 37) * mul + a) & _MASK
        d = ((_rotate(a, 25) + b) * mul) & _MASK
        return _mix16(c, d, mul)
    if n >= 4:
        return _mix16((n + (_half(data, 0) << 3)) & _MASK, _half(data, n - 4), mul)
    if n > 0:
        y = data[0] + (data[n >> 1] << 8)
        z = n + (data[n - 1] << 2)
        return (_shift_mix((y * _K2) & _MASK ^ (z * _K0) & _MASK) * _K2) & _MASK
    return _K2


def _ends(data: bytes, first: int) -> tuple[int, int, int, int, int]:
    """What the hashes of 17 to 64 bytes begin with: both ends of the data, mixed."""
    n = len(data)
    mul = _K2 + n * 2
    a, b = _word(data, 0) * first & _MASK, _word(data, 8)
    c, d = _word(data, n - 8) * mul & _MASK, _word(data, n - 16) * _K2 & _MASK
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    return a, c, y, (a + _rotate(b + _K2, 18) + c) & _MASK, mul


def _up_to_64(data: bytes) -> int:
    n = len(data)
    if n <= 32:
        _, _, y, z, mul = _ends(data, _K1)
        return _mix16(y, z, mul)
    a, _, y, z, mul = _ends(data, _K2)
    z = _mix16(y, z, mul)
    e, f = _word(data, 16) * mul & _MASK, _word(data, 24)
    g, h = (y + _word(data, n - 32)) * mul & _MASK, (z + _word(data, n - 24)) * mul & _MASK
    left = (_rotate(e + f, 43) + _rotate(g, 30) + h) & _MASK
    return _mix16(left, (e + _rotate(f + a, 18) + g) & _MASK, mul)


def _weak32(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = struct.unpack_from("<4Q", data, at)
    a = (a + w) & _MASK
    b = _rotate(b + a + z, 21)
    c = a
    a = (a + x + y) & _MASK
    return (a + z) & _MASK, (b + _rotate(a, 44) + c) & _MASK


def _long(data: bytes) -> int:
    x, y = 81, (81 * _K1 + 113) & _MASK
    z = (_shift_mix(y * _K2 + 113) * _K2) & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(data, 0)) & _MASK
    end = (len(data) - 1) // 64 * 64
    for at in range(0, end, 64):
        x, y, z, v, w = _round(data, at, x, y, z, v, w, _K1, 1)
    mul = _K1 + ((z & 0xFF) << 1)
    w = ((w[0] + (len(data) - 1 & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x, y, z, v, w = _round(data, len(data) - 64, x, y, z, v, w, mul, 9)
    left = (_mix16(v[0], w[0], mul) + _shift_mix(y) * _K0 + z) & _MASK
    return _mix16(left, (_mix16(v[1], w[1], mul) + x) & _MASK, mul)


def _round(
    data: bytes, at: int, x: int, y: int, z: int, v: tuple[int, int], w: tuple[int, int], mul: int, weight: int
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    """One block of 64 bytes; the last one weighs the state differently."""
    x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * mul & _MASK
    y = _rotate(y + v[1] + _word(data, at + 48), 42) * mul & _MASK
    x ^= w[1] * weight & _MASK
    y = (y + v[0] * weight + _word(data, at + 40)) & _MASK
    z = _rotate(z + w[0], 33) * mul & _MASK
    v = _weak32(data, at, v[1] * mul & _MASK, (x + w[0]) & _MASK)
    w = _weak32(data, at + 32, (z + w[1]) & _MASK, (y + _word(data, at + 16)) & _MASK)
    return z, y, x, v, w


@functools.lru_cache(maxsize=1 << 16)
def fingerprint64(data: bytes) -> int:
    """FarmHash's Fingerprint64, as `tf.strings.to_hash_bucket_fast` has it before the modulo."""
    if len(data) <= 16:
        return _up_to_16(data)
    return _up_to_64(data) if len(data) <= 64 else _long(data)


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 under a key of two 64-bit integers, as `tf.strings.to_hash_bucket_strong` has it before the
    modulo.
    """
    k0, k1 = (k & _MASK for k in key)
    state = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) // 8 * 8
    last = int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56
    for word in (*struct.unpack(f"<{whole // 8}Q", data[:whole]), last):
        state[3] ^= word
        _sip_rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(v: list[int], rounds: int) -> None:
    for _ in range(rounds):
        for a, b, c, d, left, right in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = _rotate(v[b], 64 - left) ^ v[a]
            v[a] = _rotate(v[a], 32)
            v[c] = (v[c] + v[d]) & _MASK
            v[d] = _rotate(v[d], 64 - right) ^ v[c]


def concatenate(first: int, second: int) -> int:
    """One fingerprint from two, as TensorFlow's crossed columns have it."""
    mul = 0xC6A4A7935BD1E995
    result = first ^ mul ^ (_shift_mix(second * mul) * mul & _MASK)
    result = _shift_mix(result * mul) * mul
    return _shift_mix(result)
