"""Schedules step by step: torch's and timm's."""

import warnings

import torch
from timm.scheduler import CosineLRScheduler, PolyLRScheduler, StepLRScheduler
from torch.optim import lr_scheduler

warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")


def sgd(lr=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def one_cycle(n_steps, pct_start, div, final_div):
    """Learning rate over the peak, and momentum, of every step."""
    optimizer = sgd()
    scheduler = lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=n_steps, pct_start=pct_start, div_factor=div, final_div_factor=final_div
    )
    factors, momenta = [], []
    for step in range(n_steps):
        factors.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        if step + 1 < n_steps:
            scheduler.step()
    return factors, momenta


def timms(kind, n_steps, **options):
    """The learning rate over the peak of every step of one of timm's schedulers."""
    optimizer = sgd()
    scheduler = kind(optimizer, warmup_lr_init=0.0, t_in_epochs=False, **options)
    factors = []
    for step in range(n_steps):
        scheduler.step_update(step)
        factors.append(optimizer.param_groups[0]["lr"])
    return factors


def torchs(n_steps, build):
    """The same of torch's: `build` makes one for an optimizer."""
    optimizer = sgd()
    scheduler = build(optimizer)
    factors = []
    for _ in range(n_steps):
        factors.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return factors


def cosines():
    for n_steps, fraction, final in ((50, 0.1, 0.01), (80, 0.25, 0.0)):
        spec = {"kind": "cosine", "warmup_fraction": fraction, "final_fraction": final}
        warmup = round(n_steps * fraction)
        yield spec, n_steps, timms(
            CosineLRScheduler,
            n_steps,
            t_initial=n_steps - warmup,
            lr_min=final,
            warmup_t=warmup,
            warmup_prefix=True,
        )
    spec = {"kind": "cosine", "final_fraction": 0.1}
    yield spec, 33, torchs(33, lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, T_max=33, eta_min=0.1))
    # Restarts: cycles, length of the first, how later ones grow and shrink, warm-up, final value.
    for cycles, first, mult, decay, warmup, final in ((3, 20, 1.0, 0.5, 0, 0.05), (3, 10, 2.0, 0.8, 10, 0.01), (4, 25, 1.0, 1.0, 0, 0.0)):
        n_steps = warmup + round(sum(first * mult**cycle for cycle in range(cycles)))
        spec = {
            "kind": "cosine",
            "warmup_fraction": warmup / n_steps,
            "final_fraction": final,
            "cycles": cycles,
            "cycle_mult": mult,
            "cycle_decay": decay,
        }
        yield spec, n_steps, timms(
            CosineLRScheduler,
            n_steps,
            t_initial=first,
            lr_min=final,
            cycle_mul=mult,
            cycle_decay=decay,
            cycle_limit=cycles,
            warmup_t=warmup,
            warmup_prefix=True,
        )
    spec = {"kind": "cosine", "cycles": 3, "cycle_mult": 2.0}
    yield spec, 70, torchs(70, lambda sgd: lr_scheduler.CosineAnnealingWarmRestarts(sgd, T_0=10, T_mult=2))


def flat_cosines():
    for n_steps, flat, final in ((60, 45, 0.0), (37, 9, 0.2)):

        def build(sgd):
            parts = [
                lr_scheduler.ConstantLR(sgd, factor=1.0),
                lr_scheduler.CosineAnnealingLR(sgd, T_max=n_steps - flat, eta_min=final),
            ]
            return lr_scheduler.SequentialLR(sgd, parts, milestones=[flat])

        spec = {"kind": "flat_cosine", "flat_fraction": flat / n_steps, "final_fraction": final}
        yield spec, n_steps, torchs(n_steps, build)


def steps():
    spec = {"kind": "step", "every": 0.3, "gamma": 0.1}
    yield spec, 50, torchs(50, lambda sgd: lr_scheduler.StepLR(sgd, step_size=15, gamma=0.1))
    spec = {"kind": "step", "every": 0.125, "gamma": 0.5, "warmup_fraction": 0.1}
    yield spec, 80, timms(StepLRScheduler, 80, decay_t=10, decay_rate=0.5, warmup_t=8, warmup_prefix=False)
    spec = {"kind": "multi_step", "milestones": [0.5, 0.75, 0.9], "gamma": 0.2}
    yield spec, 60, torchs(60, lambda sgd: lr_scheduler.MultiStepLR(sgd, milestones=[30, 45, 54], gamma=0.2))


def polynomials():
    spec = {"kind": "polynomial", "power": 0.9}
    yield spec, 45, torchs(45, lambda sgd: lr_scheduler.PolynomialLR(sgd, total_iters=45, power=0.9))
    spec = {"kind": "polynomial", "power": 2.0, "final_fraction": 0.05, "warmup_fraction": 0.2}
    yield spec, 50, timms(PolyLRScheduler, 50, t_initial=40, power=2.0, lr_min=0.05, warmup_t=10, warmup_prefix=True)
    spec = {"kind": "polynomial", "power": 1.0}
    yield spec, 40, torchs(40, lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=1.0, end_factor=0.0, total_iters=40))


def constants():
    """Hugging Face's constant_with_warmup, which is one line."""
    yield {"kind": "constant", "warmup_fraction": 0.1}, 30, [min(1.0, step / 3) for step in range(30)]


def factors():
    cases = []
    for n_steps, pct_start, div, final_div in ((100, 0.3, 25.0, 1e4), (37, 0.25, 10.0, 100.0), (3, 0.3, 25.0, 1e4)):
        lr, momentum = one_cycle(n_steps, pct_start, div, final_div)
        spec = {"kind": "one_cycle", "pct_start": pct_start, "div": div, "final_div": final_div}
        cases.append({"spec": spec, "n_steps": n_steps, "lr": lr, "momentum": momentum})
    for family in (cosines, flat_cosines, steps, polynomials, constants):
        cases += [{"spec": spec, "n_steps": n_steps, "lr": lr} for spec, n_steps, lr in family()]
    return cases
