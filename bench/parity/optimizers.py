"""Optimizer trajectories over recorded gradients: torch's SGD and AdamW, timm's RAdam and Lookahead."""

import torch
from timm.optim.lookahead import Lookahead
from timm.optim.radam import RAdamLegacy

from formula import rounded, tensor
from schedules import one_cycle

N_STEPS = 60
WATCHED = (1, 7, 12, 60)
# Name, shape, belongs to the head.
PARAMS = (
    ("stem.weight", (4, 3, 3, 3), False),
    ("norm.weight", (4,), False),
    ("norm.bias", (4,), False),
    ("hidden.weight", (6, 4), False),
    ("classifier.weight", (5, 6), True),
    ("classifier.bias", (5,), True),
)


def gradient(step, idx, shape):
    """Grows and shrinks over the run, so that second moments lag behind."""
    scale = 0.2 + (step % 10) / 5.0
    return tensor(10_000 + 100 * step + idx, shape, -scale, 1.5 * scale)


def centralize(params):
    for param in params:
        if param.grad.dim() > 1:
            param.grad -= param.grad.mean(dim=tuple(range(1, param.grad.dim())), keepdim=True)


def run(case):
    params = [torch.nn.Parameter(tensor(idx, shape, -1.0, 1.0)) for idx, (_, shape, _) in enumerate(PARAMS)]
    lr, decay = case["lr"], case["weight_decay"]
    groups = []
    for param, (_, shape, is_head) in zip(params, PARAMS):
        groups.append(
            {
                "params": [param],
                "weight_decay": decay if len(shape) > 1 else 0.0,
                "mult": case["head_lr_mult"] if is_head else 1.0,
            }
        )
    if case["kind"] == "sgd":
        optimizer = torch.optim.SGD(groups, lr=lr, momentum=case["momentum"], nesterov=case["nesterov"])
    elif case["kind"] == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=lr, betas=case["betas"], eps=case["eps"])
    else:
        optimizer = RAdamLegacy(groups, lr=lr, betas=case["betas"], eps=case["eps"])
        optimizer = Lookahead(optimizer, alpha=case["lookahead_alpha"], k=case["lookahead_k"])

    factors, momenta = one_cycle(N_STEPS, 0.3, 25.0, 1e4)
    watched = []
    for step in range(1, N_STEPS + 1):
        for idx, (param, (_, shape, _)) in enumerate(zip(params, PARAMS)):
            param.grad = gradient(step, idx, shape)
        if case["clip"] is not None:
            torch.nn.utils.clip_grad_norm_(params, case["clip"])
        if case["kind"] == "ranger":
            centralize(params)
        for group in optimizer.param_groups:
            factor = factors[step - 1] if case["one_cycle"] else 1.0
            group["lr"] = lr * factor * group["mult"]
            if case["one_cycle"] and case["kind"] == "sgd":
                group["momentum"] = momenta[step - 1]
            elif case["one_cycle"]:
                group["betas"] = (momenta[step - 1], group["betas"][1])
        optimizer.step()
        if step in WATCHED:
            values = torch.cat([param.detach().flatten() for param in params]).tolist()
            watched.append({"step": step, "values": rounded(values, 9)})
    return watched


def trajectories():
    base = {"weight_decay": 0.05, "head_lr_mult": 1.0, "clip": None, "one_cycle": False}
    sgd = base | {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True}
    adamw = base | {"kind": "adamw", "lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
    ranger = base | {
        "kind": "ranger",
        "lr": 0.01,
        "betas": (0.95, 0.999),
        "eps": 1e-5,
        "lookahead_k": 6,
        "lookahead_alpha": 0.5,
    }
    cases = [
        sgd,
        sgd | {"nesterov": False, "clip": 1.5},
        sgd | {"one_cycle": True, "head_lr_mult": 10.0},
        adamw,
        adamw | {"one_cycle": True, "head_lr_mult": 10.0, "clip": 1.5},
        ranger,
        ranger | {"betas": (0.9, 0.99), "lookahead_k": 5, "lookahead_alpha": 0.8, "one_cycle": True, "clip": 1.5},
    ]
    params = [[name, list(shape), is_head] for name, shape, is_head in PARAMS]
    return {"params": params, "runs": [{"spec": case, "watched": run(case)} for case in cases]}
