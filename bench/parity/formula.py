"""Numbers that Python and Rust both compute exactly, so that fixtures hold results only.

The Rust side is `crates/train/tests/parity/formula.rs`. Everything is an integer hash, cut to 24 bits
and scaled in f64, so that the f32 it ends as is the same on both sides.
"""

import math

import numpy as np
import torch

MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def units(key, n):
    """`n` numbers in [0, 1) from an integer key: splitmix64 of key * 2^32 + index, its top 24 bits."""
    with np.errstate(over="ignore"):
        z = (np.uint64(key) << np.uint64(32)) + np.arange(n, dtype=np.uint64)
        z = (z + np.uint64(0x9E3779B97F4A7C15)) & MASK
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


def tensor(key, shape, low, high):
    """f32 in [low, high), row-major."""
    values = low + units(key, math.prod(shape)) * (high - low)
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def images(key, n, side):
    """`[n, 3, side, side]` in [-2, 2): a slow pattern with noise on it, not too unlike a picture."""
    values = torch.zeros(n, 3, side, side)
    rows = torch.arange(side).view(side, 1)
    columns = torch.arange(side).view(1, side)
    for image in range(n):
        for channel in range(3):
            step = rows * (3 + image) + columns * (5 + 2 * channel) + 17 * channel
            values[image, channel] = (step % 64) / 64.0 * 3.0 - 1.5
    return values + tensor(key, values.shape, -0.5, 0.5)


def signs(key, n):
    """-1 or 1, in f64."""
    return torch.from_numpy(np.where(units(key, n) < 0.5, -1.0, 1.0))


def projections(name_idx, values, n=2):
    """Sums of the values under random signs: their differences are as large as the values' own."""
    flat = values.detach().double().flatten()
    return [float((flat * signs(1_000_000 + 10 * name_idx + idx, flat.numel())).sum()) for idx in range(n)]


def rounded(values, digits):
    return [float(f"{value:.{digits}g}") for value in values]
