"""Losses with their gradients, and activations."""

import torch
import torch.nn.functional as F
from timm.data.mixup import one_hot
from timm.loss import SoftTargetCrossEntropy

from formula import rounded, tensor, units

N, C = 6, 5


def soft_target(labels, smoothing):
    """As `timm.data.mixup.mixup_target` smooths each half."""
    off = smoothing / C
    return one_hot(labels, C, on_value=1.0 - smoothing + off, off_value=off)


def losses():
    cases = []
    for smoothing, lam in ((0.0, None), (0.1, None), (0.0, 0.3), (0.1, 0.3), (0.2, 1.0)):
        logits = tensor(5, (N, C), -4.0, 4.0).requires_grad_()
        labels = torch.tensor([int(unit * C) for unit in units(6, N)])
        others = labels.flip(0)
        target = soft_target(labels, smoothing)
        if lam is not None:
            target = target * lam + soft_target(others, smoothing) * (1.0 - lam)
        loss = SoftTargetCrossEntropy()(logits, target)
        loss.backward()
        if lam is None:
            torch.testing.assert_close(loss, F.cross_entropy(logits, labels, label_smoothing=smoothing))
        cases.append(
            {
                "smoothing": smoothing,
                "lambda": lam,
                "labels": labels.tolist(),
                "labels_b": others.tolist(),
                "loss": loss.item(),
                "grad": rounded(logits.grad.flatten().tolist(), 9),
            }
        )
    return cases


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
