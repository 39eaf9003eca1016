"""A recorded table of trials as an objective: the Python half of the harness.

The Rust half is `crates/search/examples/bench_search/table.rs`; both draw the same noise, so that
trial `t` of seed `s` sees the same repetition of a cell whichever sampler asks for it.
"""

import gzip
import json
from pathlib import Path

MASK = (1 << 64) - 1


def splitmix64(x: int) -> int:
    """One output of SplitMix64 (Steele, Lea and Flood 2014) for the state `x`."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Table:
    """Cells of a grid, each with the values of several training seeds; larger is better."""

    def __init__(self, path: Path):
        with gzip.open(path) as file:
            raw = json.load(file)
        sign = 1.0 if raw["direction"] == "maximize" else -1.0
        self.name = raw["name"]
        self.params = list(raw["space"])
        self.sizes = [len(values) for values in raw["space"].values()]
        self.values = [[sign * value for value in cell] for cell in raw["values"]]
        self.means = [sum(cell) / len(cell) for cell in self.values]
        self.best, self.worst = max(self.means), min(self.means)

    def cell(self, idxs) -> int:
        """Row-major index of a cell, from the index of each parameter's level."""
        cell = 0
        for size, idx in zip(self.sizes, idxs, strict=True):
            cell = cell * size + idx
        return cell

    def draw(self, cell: int, seed: int, trial: int) -> float:
        """What trial number `trial` of the run `seed` observes."""
        values = self.values[cell]
        return values[splitmix64((seed << 32) ^ trial) % len(values)]

    def regret(self, cell: int) -> float:
        """Normalised regret of a cell's mean, in [0, 1]."""
        return (self.best - self.means[cell]) / (self.best - self.worst)


def tables(folder: Path) -> list[Table]:
    return [Table(path) for path in sorted(folder.glob("*.json.gz"))]
