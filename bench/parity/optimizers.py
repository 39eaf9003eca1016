"""Optimizer trajectories over recorded gradients, in f32 and in f64.

torch's SGD, Adam, AdamW and RAdam, timm's RAdam and Lookahead, and sharpness-aware minimisation as its paper writes
it. timm's RAdam computes in f32 whatever it is given, so torch's, with decoupled decay, stands for it in f64.
"""

import torch
from timm.optim.lookahead import Lookahead
from timm.optim.radam import RAdamLegacy

from formula import rounded, tensor
from schedules import one_cycle

N_STEPS = 200
WATCHED = (1, 12, 60, 200)
# Name, shape, belongs to the head.
PARAMS = (
    ("stem.weight", (3, 2, 3, 3), False),
    ("norm.weight", (3,), False),
    ("norm.bias", (3,), False),
    ("hidden.weight", (4, 3), False),
    ("classifier.weight", (5, 4), True),
    ("classifier.bias", (5,), True),
)
# Under SAM the gradient has to depend on the weights: that of a quadratic bowl is added.
CURVATURE = 0.5
TINY = 1e-12


def gradient(step, idx, param, curved):
    """Grows and shrinks over the run, so that second moments lag behind."""
    scale = 0.2 + (step % 10) / 5.0
    recorded = tensor(10_000 + 100 * step + idx, param.shape, -scale, 1.5 * scale).to(param.dtype)
    return recorded + CURVATURE * param.detach() if curved else recorded


def centralize(params):
    for param in params:
        if param.grad.dim() > 1:
            param.grad -= param.grad.mean(dim=tuple(range(1, param.grad.dim())), keepdim=True)


@torch.no_grad()
def uphill(params, rho, adaptive):
    """Moves the weights by e of Foret et al. 2021 (or of Kwon et al. 2021), and gives where they were."""
    home = [param.clone() for param in params]
    sizes = [param.abs() if adaptive else torch.ones_like(param) for param in params]
    length = torch.cat([(size * param.grad).flatten() for size, param in zip(sizes, params)]).norm() + TINY
    for size, param in zip(sizes, params):
        param += rho * size**2 * param.grad / length
    return home


def build(case, groups, dtype):
    lr, betas, eps = case["lr"], case.get("betas"), case.get("eps")
    if case["kind"] == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=case["momentum"], nesterov=case["nesterov"])
    if case["kind"] == "adam":
        return torch.optim.Adam(groups, lr=lr, betas=betas, eps=eps)
    if case["kind"] == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps)
    if dtype == torch.float32:
        radam = RAdamLegacy(groups, lr=lr, betas=betas, eps=eps)
    else:
        radam = torch.optim.RAdam(groups, lr=lr, betas=betas, eps=eps, decoupled_weight_decay=True)
    if case["kind"] == "radam":
        return radam
    return Lookahead(radam, alpha=case["lookahead_alpha"], k=case["lookahead_k"])


def run(case, dtype):
    params = [
        torch.nn.Parameter(tensor(idx, shape, -1.0, 1.0).to(dtype)) for idx, (_, shape, _) in enumerate(PARAMS)
    ]
    lr, decay, sam = case["lr"], case["weight_decay"], case["sam"]
    groups = []
    for param, (_, shape, is_head) in zip(params, PARAMS):
        groups.append(
            {
                "params": [param],
                "weight_decay": decay if len(shape) > 1 else 0.0,
                "mult": case["head_lr_mult"] if is_head else 1.0,
            }
        )
    optimizer = build(case, groups, dtype)

    def look(step):
        for idx, param in enumerate(params):
            param.grad = gradient(step, idx, param, curved=sam is not None)

    factors, momenta = one_cycle(N_STEPS, 0.3, 25.0, 1e4)
    watched = []
    for step in range(1, N_STEPS + 1):
        look(step)
        if sam is not None:
            home = uphill(params, **sam)
            look(step)
            for param, value in zip(params, home):
                param.data.copy_(value)
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
            watched.append({"step": step, "values": rounded(values, 9 if dtype == torch.float32 else 16)})
    return watched


def trajectories():
    base = {"weight_decay": 0.05, "head_lr_mult": 1.0, "clip": None, "one_cycle": False, "sam": None}
    everything = {"one_cycle": True, "head_lr_mult": 10.0, "clip": 1.5}
    sgd = base | {"kind": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True}
    adam = base | {"kind": "adam", "lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
    adamw = adam | {"kind": "adamw"}
    radam = adam | {"kind": "radam"}
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
        adam,
        adam | everything,
        adamw,
        adamw | everything,
        radam,
        radam | everything | {"betas": (0.9, 0.99)},
        ranger,
        ranger | {"betas": (0.9, 0.99), "lookahead_k": 5, "lookahead_alpha": 0.8, "one_cycle": True, "clip": 1.5},
        sgd | {"sam": {"rho": 0.3, "adaptive": False}},
        adamw | everything | {"sam": {"rho": 0.5, "adaptive": True}},
        ranger | {"sam": {"rho": 0.05, "adaptive": False}},
    ]
    params = [[name, list(shape), is_head] for name, shape, is_head in PARAMS]
    runs = [{"spec": case, "f32": run(case, torch.float32), "f64": run(case, torch.float64)} for case in cases]
    return {"params": params, "runs": runs}


class Averaged(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.value = torch.nn.Parameter(tensor(1, (n,), -1.0, 1.0).double())
        self.register_buffer("mean", tensor(2, (n,), -1.0, 1.0).double())


def average():
    """torch's AveragedModel with buffers, and TensorFlow's rule for the decay."""
    n, half_life, watched = 4, 8.0, []
    module = Averaged(n)

    def blend(average, current, n_averaged):
        t = float(n_averaged) - 1.0
        decay = min(0.5 ** (1.0 / half_life), (1.0 + t) / (10.0 + t))
        return decay * average + (1.0 - decay) * current

    averaged = torch.optim.swa_utils.AveragedModel(module, avg_fn=blend, use_buffers=True)
    averaged.update_parameters(module)  # The first call copies: the weights before the first step.
    for step in range(1, 121):
        with torch.no_grad():
            module.value.copy_(tensor(100 + step, (n,), -1.0, 2.0))
            module.mean.copy_(tensor(500 + step, (n,), -2.0, 1.0))
        averaged.update_parameters(module)
        if step in (1, 5, 50, 120):
            values, means = averaged.module.value.tolist(), averaged.module.mean.tolist()
            watched.append({"step": step, "values": rounded(values, 16), "buffers": rounded(means, 16)})
    return {"half_life_steps": half_life, "n": n, "watched": watched}


def loss_scales():
    """Every change of torch's loss scale over gradients that overflow now and then."""
    overflows = {0, 1, 7, 1500, 3600, 3601}
    scaler = torch.amp.GradScaler("cpu")
    param = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([param], lr=1.0)
    changes, scale = [], None
    for step in range(8000):
        scaler.scale(torch.zeros(1))
        param.grad = torch.full((1,), float("inf") if step in overflows else 1.0)
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() != scale:
            scale = scaler.get_scale()
            changes.append([step, scale])
    return {"overflows": sorted(overflows), "n_steps": 8000, "changes": changes}
