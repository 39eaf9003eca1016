"""What is recorded on open-emoji: the spaces that `record.py` draws from, and how an overlay becomes a trial spec.

A recorded trial is a sweep's: the overlay is laid over a resolved spec as a sweep lays it over its base, so an
object whose `kind` or `mode` differs from the base's replaces it whole.
"""

import itertools
import math
import random

BACKBONES = ("efficientnet_lite0", "efficientnet_lite1")

# The seventh table of `make bench-search`: a linear head on either backbone, every cell with every seed.
TABLE_NAME = "open_emoji_heads"
TABLE_EPOCHS = 8
TABLE_SEEDS = (0, 1, 2)
TABLE_SPACE = {
    "backbone": {"name": {"choice": list(BACKBONES)}},
    "optimizer": {
        "choice": [
            {
                "kind": "sgd",
                "lr": {"choice": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]},
                "momentum": {"choice": [0.5, 0.9, 0.97]},
                "nesterov": {"choice": [False, True]},
            },
            {
                "kind": "adamw",
                "lr": {"choice": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]},
                "weight_decay": {"choice": [0.0001, 0.01, 0.1, 1.0]},
            },
            {
                "kind": "radam",
                "lr": {"choice": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]},
                "weight_decay": {"choice": [0.0001, 0.01, 0.1, 1.0]},
            },
        ]
    },
    "schedule": {"choice": [{"kind": "cosine", "warmup_fraction": 0.1}, {"kind": "constant"}]},
    "loss": {"smoothing": {"choice": [0.0, 0.1]}},
}

SCHEDULES = [
    {"kind": "cosine", "warmup_fraction": 0.1},
    {"kind": "one_cycle"},
    {"kind": "polynomial"},
    {"kind": "constant"},
]
CURVE_EPOCHS = 27
# Learning curves of linear heads: a space as one would write it before seeing a result.
HEAD_SPACE = {
    "optimizer": {
        "choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.003, 3.0]}, "momentum": {"choice": [0.5, 0.9, 0.97]}},
            {"kind": "adamw", "lr": {"log_uniform": [1e-4, 0.1]}, "weight_decay": {"log_uniform": [1e-4, 1.0]}},
            {"kind": "radam", "lr": {"log_uniform": [1e-4, 0.1]}, "weight_decay": {"log_uniform": [1e-4, 1.0]}},
            {"kind": "ranger", "lr": {"log_uniform": [1e-4, 0.1]}},
        ]
    },
    "schedule": {"choice": SCHEDULES},
    "backbone": {"dropout": {"choice": [0.0, 0.2, 0.5]}},
    "loss": {"smoothing": {"choice": [0.0, 0.1, 0.2]}},
    "fit": {"batch_size": {"choice": [32, 64, 128]}},
}
# The same over every rate that anybody would try: at both ends of them nothing is learnt.
WIDE_RATES = {"sgd": [1e-5, 10.0], "adamw": [1e-6, 1.0], "radam": [1e-6, 1.0], "ranger": [1e-6, 1.0]}


def over_rates(space: dict, rates: dict) -> dict:
    """The space with other learning rates, by optimizer."""
    items = [item | {"lr": {"log_uniform": rates[item["kind"]]}} for item in space["optimizer"]["choice"]]
    return space | {"optimizer": {"choice": items}}


WIDE_SPACE = over_rates(HEAD_SPACE, WIDE_RATES)

# The space of `full.yaml`: the whole network, here trained for three times as many epochs.
LONG_SPACE = {
    "optimizer": {
        "choice": [
            {"kind": "sgd", "lr": {"log_uniform": [0.001, 0.3]}, "momentum": {"choice": [0.9, 0.97]}},
            {"kind": "adamw", "lr": {"log_uniform": [3e-5, 0.01]}, "weight_decay": {"log_uniform": [1e-4, 0.3]}},
            {"kind": "ranger", "lr": {"log_uniform": [0.001, 0.1]}},
        ]
    },
    "schedule": {"choice": SCHEDULES},
    "adaptation": {"head_lr_mult": {"choice": [1.0, 3.0, 10.0]}},
    "augment": {"mix": {"choice": [{"kind": "none"}, {"kind": "cutmix", "alpha": 1.0, "prob": 0.5}]}},
    "loss": {"smoothing": {"choice": [0.0, 0.1]}},
}
# The same over four decades of rates, as one would write it who does not know the network.
WHOLE_SPACE = over_rates(LONG_SPACE, {"sgd": [1e-4, 1.0], "adamw": [1e-5, 0.1], "ranger": [1e-4, 1.0]})

DISTRIBUTIONS = ("choice", "log_uniform")


def is_distribution(node) -> bool:
    return isinstance(node, dict) and len(node) == 1 and next(iter(node)) in DISTRIBUTIONS


def cells(node) -> list:
    """Every point of a finite space, as overlays."""
    if not isinstance(node, dict):
        return [node]
    if is_distribution(node):
        return [cell for item in node["choice"] for cell in cells(item)]
    combinations = itertools.product(*(cells(inner) for inner in node.values()))
    return [dict(zip(node, values)) for values in combinations]


def draw(node, rng: random.Random):
    """A random overlay of a space."""
    if not isinstance(node, dict):
        return node
    if is_distribution(node):
        if "choice" in node:
            return draw(rng.choice(node["choice"]), rng)
        low, high = map(math.log, node["log_uniform"])
        # Four digits: what is recorded is what was trained.
        return float(f"{math.exp(rng.uniform(low, high)):.4g}")
    return {field: draw(inner, rng) for field, inner in node.items()}


def lay(base, overlay):
    """The base with an overlay laid over it."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return overlay
    for tag in ("kind", "mode"):
        if tag in overlay and overlay[tag] != base.get(tag):
            return overlay
    return base | {field: lay(base.get(field), value) for field, value in overlay.items()}
