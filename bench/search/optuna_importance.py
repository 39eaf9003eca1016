"""Shares of the variance by our forest, by Optuna's fANOVA and by the whole table, side by side.

The forests see the same random sample of a table over a plain grid, with the noise of single trials; the exact
shares are those of the cells' means over the whole grid.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import IntDistribution
from optuna.importance import FanovaImportanceEvaluator

from table import tables


def exact(table) -> dict[str, float]:
    names = list(table.space)
    grid = np.array(table.means).reshape([len(table.space[name]["choice"]) for name in names])
    others = {name: tuple(i for i in range(len(names)) if i != idx) for idx, name in enumerate(names)}
    return {name: float(grid.mean(axis=others[name]).var() / grid.var()) for name in names}


def optuna_shares(table, results) -> dict[str, float]:
    levels = {name: sorted(node["choice"]) for name, node in table.space.items()}
    distributions = {name: IntDistribution(0, len(values) - 1) for name, values in levels.items()}
    study = optuna.create_study(direction="maximize")
    for result in results:
        params = {name: levels[name].index(value) for name, value in result["overlay"].items()}
        trial = optuna.trial.create_trial(params=params, distributions=distributions, value=result["value"])
        study.add_trial(trial)
    return FanovaImportanceEvaluator(seed=0).evaluate(study)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--tables", type=Path, nargs="+", required=True)
    args.add_argument("--ours", type=Path, required=True, help="what `bench_search importance` wrote")
    args = args.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    ours = json.loads(args.ours.read_text())
    table = next(table for table in tables(args.tables) if table.name == ours["table"])
    started = time.thread_time()
    theirs = optuna_shares(table, ours["results"])
    took_s = time.thread_time() - started
    mine = {param["pointer"][1:]: param["share"]["mean"] for param in ours["ours"]["params"]}
    truth = exact(table)
    # Each forest explains interactions and noise as it can; only the main effects are compared.
    totals = [sum(shares.values()) for shares in (mine, theirs, truth)]
    print(f"main effects on {table.name} by {len(ours['results'])} trials, scaled to sum to 1")
    print(f"{'parameter':<20}{'ours':>8}{'Optuna':>8}{'exact':>8}")
    for name in sorted(truth, key=truth.get, reverse=True):
        shares = [side[name] / total for side, total in zip((mine, theirs, truth), totals)]
        print(f"{name:<20}" + "".join(f"{share:>8.3f}" for share in shares))
    print(f"10,000 trials of ten parameters: ours {ours['ms_at_10000']:.0f} ms; Optuna, this sample: {1e3 * took_s:.0f} ms")


if __name__ == "__main__":
    main()
