"""Schedules step by step: torch's and timm's."""

import warnings

import torch
from timm.scheduler import CosineLRScheduler

warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")


def sgd(lr=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def one_cycle(n_steps, pct_start, div, final_div):
    """Learning rate over the peak, and momentum, of every step."""
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=n_steps, pct_start=pct_start, div_factor=div, final_div_factor=final_div
    )
    factors, momenta = [], []
    for step in range(n_steps):
        factors.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        if step + 1 < n_steps:
            scheduler.step()
    return factors, momenta


def cosine(n_steps, n_warmup, final):
    optimizer = sgd()
    scheduler = CosineLRScheduler(
        optimizer,
        t_initial=n_steps - n_warmup,
        lr_min=final,
        warmup_t=n_warmup,
        warmup_lr_init=0.0,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    factors = []
    for step in range(n_steps):
        scheduler.step_update(step)
        factors.append(optimizer.param_groups[0]["lr"])
    return factors


def plain_cosine(n_steps, final):
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=n_steps, eta_min=final)
    factors = []
    for _ in range(n_steps):
        factors.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return factors


def factors():
    cases = []
    for n_steps, pct_start, div, final_div in ((100, 0.3, 25.0, 1e4), (37, 0.25, 10.0, 100.0), (3, 0.3, 25.0, 1e4)):
        lr, momentum = one_cycle(n_steps, pct_start, div, final_div)
        spec = {"kind": "one_cycle", "pct_start": pct_start, "div": div, "final_div": final_div}
        cases.append({"spec": spec, "n_steps": n_steps, "lr": lr, "momentum": momentum})
    for n_steps, fraction, final in ((50, 0.1, 0.01), (80, 0.25, 0.0)):
        spec = {"kind": "cosine", "warmup_fraction": fraction, "final_fraction": final}
        cases.append({"spec": spec, "n_steps": n_steps, "lr": cosine(n_steps, round(n_steps * fraction), final)})
    spec = {"kind": "cosine", "warmup_fraction": 0.0, "final_fraction": 0.1}
    cases.append({"spec": spec, "n_steps": 33, "lr": plain_cosine(33, 0.1)})
    return cases
