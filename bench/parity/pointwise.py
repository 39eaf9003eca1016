"""Activations with their slopes."""

import torch
import torch.nn.functional as F

from formula import rounded


def activations():
    """At points that 32 divides, so that both sides have them exactly; gradients included."""
    functions = {
        "native": F.relu6,
        "relu": F.relu,
        "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
        "swish": F.silu,
        "mish": F.mish,
        "gelu": F.gelu,
        "hard_swish": F.hardswish,
    }
    cases = []
    for name, function in functions.items():
        x = (torch.arange(-70, 71, 4) / 8.0 + 1 / 32).requires_grad_()
        y = function(x)
        y.sum().backward()
        cases.append({"activation": name, "x": x.tolist(), "y": rounded(y.tolist(), 9), "slope": rounded(x.grad.tolist(), 9)})
    return cases
