"""Optuna's samplers on recorded tables; appends one JSON line per (table, sampler, seed).

Every number is given as `suggest_int` over the index of its level, so that Optuna knows the order
of the levels, which helps it. A run that the file already holds is not repeated.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path

import optuna

from table import Table, tables

BUDGETS = (25, 50, 100)

SAMPLERS = {
    "optuna_tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "optuna_tpe_univariate": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False),
    "optuna_gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "optuna_random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


def run(table: Table, sampler: str, seed: int) -> dict:
    """Regret of `study.best_trial`'s cell after each budget."""
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed))
    regrets, ask_s = {}, 0.0
    best_cell, best_value = None, float("-inf")
    for number in range(max(BUDGETS)):
        started = time.perf_counter()
        trial = study.ask()
        cell = table.ask(trial)
        ask_s += time.perf_counter() - started
        value = table.draw(cell, seed, number)
        study.tell(trial, value)
        # The first of equal values, as study.best_trial has it.
        if value > best_value:
            best_cell, best_value = cell, value
        if number + 1 in BUDGETS:
            regrets[str(number + 1)] = table.regret(best_cell)
    assert best_value == study.best_value
    line = {"table": table.name, "sampler": sampler, "seed": seed, "ask_ms": 1e3 * ask_s / max(BUDGETS)}
    return line | {"recommended": regrets, "observed": regrets}


LOADED: dict[str, Table] = {}


def start(folders: list[Path], with_torch: bool) -> None:
    """Readies a process for runs."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    LOADED.update({table.name: table for table in tables(folders)})
    if with_torch:
        import torch

        torch.set_num_threads(1)


def run_named(task: tuple[str, str, int]) -> dict:
    name, sampler, seed = task
    return run(LOADED[name], sampler, seed)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--tables", type=Path, nargs="+", required=True)
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--seeds", type=int, default=100)
    args.add_argument("--gp-seeds", type=int, default=20, help="the GP sampler is slow: fewer seeds")
    args.add_argument("--samplers", nargs="*", choices=list(SAMPLERS), default=list(SAMPLERS))
    args.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    args.add_argument("--seconds", type=float, default=1e9, help="stop after so long; call again to go on")
    args = args.parse_args()

    until = time.monotonic() + args.seconds
    args.out.parent.mkdir(parents=True, exist_ok=True)
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {(line["table"], line["sampler"], line["seed"]) for line in map(json.loads, lines)}
    names = [table.name for table in tables(args.tables)]
    if not names:
        sys.exit("no *.json.gz table there; set HPO_TABLES to the folder that holds them")
    tasks = [
        (name, sampler, seed)
        for seed in range(args.seeds)
        for sampler in args.samplers
        for name in names
        if sampler != "optuna_gp" or seed < args.gp_seeds
    ]
    left = [task for task in tasks if task not in done]
    n_ended = 0
    pool = multiprocessing.Pool(args.jobs, start, (args.tables, "optuna_gp" in args.samplers))
    with args.out.open("a") as out, pool:
        lines = pool.imap_unordered(run_named, left)
        while n_ended < len(left):
            try:
                line = lines.next(timeout=max(0.0, until - time.monotonic()))
            except multiprocessing.TimeoutError:
                break
            out.write(json.dumps(line) + "\n")
            out.flush()
            n_ended += 1
    print(f"optuna: {n_ended} of {len(left)} runs", file=sys.stderr)


if __name__ == "__main__":
    main()
