"""The space both sides draw from, at random: three numbers, evenly in their logarithms."""

PARAMETERS = {"optimizer.lr": (1e-5, 1e-1), "optimizer.weight_decay": (1e-6, 1e-1), "loss.smoothing": (1e-3, 3e-1)}


def space():
    """As a sweep's space."""
    nested = {}
    for name, (low, high) in PARAMETERS.items():
        section, field = name.split(".")
        nested.setdefault(section, {})[field] = {"log_uniform": [low, high]}
    return nested
