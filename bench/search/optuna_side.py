"""Optuna's samplers on recorded tables; appends one JSON line per (table, sampler, seed).

Every number is given as `suggest_int` over the index of its level, so that Optuna knows the order
of the levels, which helps it. A run that the file already holds is not repeated.
"""

import argparse
import json
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


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--tables", type=Path, required=True)
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--seeds", type=int, default=100)
    args.add_argument("--gp-seeds", type=int, default=20, help="the GP sampler is slow: fewer seeds")
    args.add_argument("--samplers", nargs="*", choices=list(SAMPLERS), default=list(SAMPLERS))
    args = args.parse_args()

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    if "optuna_gp" in args.samplers:
        import torch

        torch.set_num_threads(1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    done = {(line["table"], line["sampler"], line["seed"]) for line in map(json.loads, lines)}
    loaded = tables(args.tables)
    if not loaded:
        sys.exit(f"no *.json.gz table in {args.tables}; set HPO_TABLES to the folder that holds them")
    with args.out.open("a") as out:
        for seed in range(args.seeds):
            for sampler in args.samplers:
                if sampler == "optuna_gp" and seed >= args.gp_seeds:
                    continue
                for table in loaded:
                    if (table.name, sampler, seed) not in done:
                        out.write(json.dumps(run(table, sampler, seed)) + "\n")
                        out.flush()
            print(f"optuna: seed {seed + 1} of {args.seeds}", file=sys.stderr)


if __name__ == "__main__":
    main()
