"""A recorded table of trials as an objective: the Python half of the harness.

The Rust half is `crates/search/examples/bench_search/table.rs`; both draw the same noise, so that
trial `t` of seed `s` sees the same repetition of a cell whichever sampler asks for it.
"""

import gzip
import itertools
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
    """Cells of a finite space, each with the values of several training seeds; larger is better."""

    def __init__(self, path: Path):
        with gzip.open(path) as file:
            raw = json.load(file)
        sign = 1.0 if raw["direction"] == "maximize" else -1.0
        self.name = raw["name"]
        if "cells" in raw:
            self.space = raw["space"]
            overlays = [cell["overlay"] for cell in raw["cells"]]
            values = [cell["values"] for cell in raw["cells"]]
        else:
            self.space = {name: {"choice": levels} for name, levels in raw["space"].items()}
            combinations = itertools.product(*raw["space"].values())
            overlays = [dict(zip(raw["space"], levels)) for levels in combinations]
            values = raw["values"]
        self.cell_of_overlay = {key(overlay): idx for idx, overlay in enumerate(overlays)}
        self.values = [[sign * value for value in cell] for cell in values]
        self.means = [sum(cell) / len(cell) for cell in self.values]
        self.best, self.worst = max(self.means), min(self.means)

    def ask(self, trial) -> int:
        """The cell that an Optuna trial chooses."""
        return self.cell_of_overlay[key(suggest(trial, self.space, ""))]

    def draw(self, cell: int, seed: int, trial: int) -> float:
        """What trial number `trial` of the run `seed` observes."""
        values = self.values[cell]
        return values[splitmix64((seed << 32) ^ trial) % len(values)]

    def regret(self, cell: int) -> float:
        """Normalised regret of a cell's mean, in [0, 1]."""
        return (self.best - self.means[cell]) / (self.best - self.worst)


def key(overlay) -> str:
    return json.dumps(overlay, sort_keys=True)


def suggest(trial, node, name: str):
    """Asks an Optuna trial for a value of a sweep's search space, as one would write it by hand: numbers by
    the index of their level, so that their order is known, alternatives as categories."""
    if not isinstance(node, dict):
        return node
    if set(node) == {"choice"}:
        items = node["choice"]
        if all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items):
            return sorted(items)[trial.suggest_int(name, 0, len(items) - 1)]
        idx = trial.suggest_categorical(name, list(range(len(items))))
        return suggest(trial, items[idx], f"{name}.{idx}")
    if set(node) == {"int"}:
        return trial.suggest_int(name, *node["int"])
    if set(node) == {"quantized"}:
        low, high, step = node["quantized"]
        return low + step * trial.suggest_int(name, 0, round((high - low) / step))
    return {field: suggest(trial, inner, f"{name}.{field}") for field, inner in node.items()}


def tables(folders: list[Path]) -> list[Table]:
    return [Table(path) for folder in folders for path in sorted(folder.glob("*.json.gz"))]
