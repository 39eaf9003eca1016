"""EfficientNet-Lite as timm computes it."""

import math

import safetensors.torch
import timm
import torch
import torch.nn.functional as F

from formula import images, projections, rounded, tensor, units

CHANNELS_LAST = torch.channels_last


def pretrained(weights):
    """Logits of the converted ImageNet weights."""
    model = timm.create_model("efficientnet_lite0").eval()
    missing, unexpected = model.load_state_dict(safetensors.torch.load_file(weights), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    cases = []
    for side in (96, 97):
        with torch.no_grad():
            logits = model(images(side, 2, side))
        cases.append({"side": side, "logits": [rounded(row.tolist(), 8) for row in logits]})
    return cases


def fill(state):
    """Overwrites every tensor of a state dict by a formula of its index and shape."""
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for idx, name in enumerate(names):
        shape = state[name].shape
        field = name.rsplit(".", 1)[1]
        if len(shape) > 1:
            bound = math.sqrt(6.0 / math.prod(shape[1:]))
            low, high = -bound, bound
        elif field in ("weight", "running_var"):
            low, high = 0.5, 1.5
        else:
            low, high = -0.1, 0.1
        state[name].copy_(tensor(idx, shape, low, high))
    return names


def random_weights():
    """Logits, loss, one step's gradients and the moved statistics of formula weights, dropout off."""
    cases = []
    for name, act in (("efficientnet_lite0", None), ("efficientnet_lite2", None), ("efficientnet_lite0", "mish")):
        kwargs = {} if act is None else {"act_layer": act}
        model = timm.create_model(name, num_classes=7, **kwargs).to(memory_format=CHANNELS_LAST)
        names = fill(model.state_dict())
        batch = images(9, 8, 65).to(memory_format=CHANNELS_LAST)
        labels = torch.tensor([int(unit * 7) for unit in units(77, 8)])
        with torch.no_grad():
            eval_logits = model.eval()(batch)
        model.train()
        logits = model(batch)
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
        loss.backward()
        params = dict(model.named_parameters())
        state = model.state_dict()
        cases.append(
            {
                "backbone": name,
                "activation": act or "native",
                "labels": labels.tolist(),
                "eval_logits": [rounded(row.tolist(), 8) for row in eval_logits],
                "loss": loss.item(),
                "grads": [
                    {
                        "name": name,
                        "norm": float(params[name].grad.double().norm()),
                        "projections": rounded(projections(idx, params[name].grad), 8),
                    }
                    for idx, name in enumerate(names)
                    if name in params
                ],
                "buffers": [
                    {
                        "name": name,
                        "norm": float(state[name].double().norm()),
                        "projections": rounded(projections(idx, state[name]), 8),
                    }
                    for idx, name in enumerate(names)
                    if name not in params
                ],
            }
        )
    return cases


def parameter_names():
    """Names and shapes of the weights of the whole family, in timm's order, and how it normalises."""
    cases = []
    for member in range(5):
        name = f"efficientnet_lite{member}"
        state = timm.create_model(name).state_dict()
        names = [key for key in state if not key.endswith("num_batches_tracked")]
        weights = [[key, list(state[key].shape)] for key in names if state[key].dim() > 1]
        cases.append({"backbone": name, "n_tensors": len(names), "weights": weights})
    return cases
