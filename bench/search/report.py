"""Joins both sides of `make bench-search`: prints the tables and writes bench/results/search.json.

Regret is that of the cell a sampler would return, by the mean over all its seeds. Optuna returns
`study.best_trial`, the best single result, and so may be lucky rather than good; ours returns the best
expected value. The rows marked "(best seen)" score ours by Optuna's rule, so that what the search finds and
what the rule adds can be told apart.
"""

import argparse
import json
import os
import platform
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np

BUDGETS = ("25", "50", "100")
FLOOR = 1e-4
N_RESAMPLES = 10_000
BASE = "optuna_tpe"
IN_FLIGHT = "@8"


def read(paths: list[Path]) -> list[dict]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


class Runs:
    """Regrets by (sampler, table, budget), as arrays over seeds."""

    def __init__(self, lines: list[dict]):
        found = defaultdict(dict)
        for line in lines:
            rules = {line["sampler"]: "recommended"}
            if not line["sampler"].startswith("optuna"):
                rules[line["sampler"] + " (best seen)"] = "observed"
            for name, rule in rules.items():
                for budget in BUDGETS:
                    found[name, line["table"], budget][line["seed"]] = line[rule][budget]
        self.regrets = found
        self.samplers = sorted({name for name, _, _ in found})
        self.tables = sorted({table for _, table, _ in found})

    def seeds(self, *samplers: str) -> list[int]:
        """Seeds that every one of the samplers ran on every table."""
        sets = [set(self.regrets[s, t, b]) for s in samplers for t in self.tables for b in BUDGETS]
        return sorted(set.intersection(*sets))

    def matrix(self, sampler: str, budget: str, seeds: list[int]) -> np.ndarray:
        """[n_tables][n_seeds]"""
        return np.array([[self.regrets[sampler, t, budget][s] for s in seeds] for t in self.tables])

    def ratio(self, a: str, b: str, budget: str) -> tuple[float, float, float, int]:
        """Geometric mean over tables of a's mean regret over b's, with its 95% bootstrap interval over
        paired seeds, and how many seeds they share."""
        seeds = self.seeds(a, b)
        ours, theirs = self.matrix(a, budget, seeds), self.matrix(b, budget, seeds)

        def geometric(drawn) -> float:
            means = [np.maximum(side[:, drawn].mean(axis=1), FLOOR) for side in (ours, theirs)]
            return float(np.exp(np.log(means[0] / means[1]).mean()))

        rng = np.random.default_rng(0)
        draws = [geometric(rng.integers(len(seeds), size=len(seeds))) for _ in range(N_RESAMPLES)]
        low, high = np.quantile(draws, (0.025, 0.975))
        return geometric(np.arange(len(seeds))), float(low), float(high), len(seeds)


def print_regrets(runs: Runs) -> None:
    for budget in BUDGETS:
        print(f"\nmean regret x 1000 after {budget} trials")
        print(f"{'sampler':<26}{'seeds':>6}" + "".join(f"{table[:12]:>14}" for table in runs.tables))
        for sampler in runs.samplers:
            seeds = runs.seeds(sampler)
            means = 1e3 * runs.matrix(sampler, budget, seeds).mean(axis=1)
            print(f"{sampler:<26}{len(seeds):>6}" + "".join(f"{mean:>14.2f}" for mean in means))


def compare(runs: Runs) -> list[dict]:
    rows = []
    print(f"\nregret over that of {BASE}: geometric mean over tables, 95% interval over paired seeds")
    for budget in BUDGETS:
        for sampler in runs.samplers:
            if sampler == BASE:
                continue
            mean, low, high, n = runs.ratio(sampler, BASE, budget)
            print(f"{budget:>4} trials  {sampler:<26}{mean:>7.3f}  [{low:.3f}, {high:.3f}]  {n} seeds")
            if not sampler.startswith("optuna"):
                what = f"regret ratio, {sampler}, {budget} trials, upper bound {high:.3f}"
                rows.append(row(what, "ratio", mean, 1.0, "Optuna TPE (multivariate)"))
    peers = [sampler for sampler in runs.samplers if sampler.startswith("optuna")]
    ours = runs.matrix("auto", "100", runs.seeds("auto")).mean(axis=1)
    n_below = 0
    for idx, table in enumerate(runs.tables):
        means = {peer: runs.matrix(peer, "100", runs.seeds(peer)).mean(axis=1)[idx] for peer in peers}
        best = min(means, key=means.get)
        n_below += ours[idx] < means[best]
        rows.append(row(f"regret at 100, auto, {table}", "regret", ours[idx], means[best], best))
    print(f"\nauto is below the best of Optuna's samplers after 100 trials on {n_below} of {len(runs.tables)} tables")
    for sampler in ("auto", "tpe"):
        if sampler + IN_FLIGHT in runs.samplers:
            mean, low, high, n = runs.ratio(sampler + IN_FLIGHT, sampler, "100")
            print(f"{sampler}, 8 in flight over sequential, 100 trials: {mean:.3f} [{low:.3f}, {high:.3f}], {n} seeds")
            what = f"regret at 100, {sampler}, 8 in flight over sequential, upper bound {high:.3f}"
            rows.append(row(what, "ratio", mean, 1.0, sampler))
    return rows


def latencies(ours: Path, theirs: Path) -> list[dict]:
    peers = {(line["sampler"], line["past"]): line["ms"] for line in read([theirs])} if theirs.exists() else {}
    rows = []
    print("\none question in a mixed space of ten parameters, milliseconds")
    for line in read([ours]) if ours.exists() else []:
        case = line["sampler"], line["past"]
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            mine = float(np.quantile(line["ms"], share))
            peer = float(np.quantile(peers[case], share)) if case in peers else None
            beside = f"  Optuna {peer:10.2f}  ratio {peer / mine:8.1f}" if peer else ""
            print(f"{case[0]:<6}{case[1]:>7} past  {name} {mine:8.2f}{beside}")
            rows.append(row(f"ask, {case[0]}, {case[1]} past, {name}", "ms", mine, peer, "Optuna" if peer else None))
    return rows


def schedulers(path: Path) -> list[dict]:
    if not path.exists():
        return []
    rows = []
    print("\nepochs until a finished trial is as good as random search's best, over the epochs of random search:")
    print("median (its 95% interval), 95% range over shuffled configurations, and how often within a quarter; - where never")
    shown = lambda ratio: "-" if ratio is None else f"{ratio:.3f}"
    for line in read([path]):
        what = f"{line['curves']}, {line['scheduler']}, random {line['n_random']} of {line['n_curves']}"
        of_median, of_repeats = (
            ", ".join(shown(line[prefix + end]) for end in ("low", "high")) for prefix in ("median_", "")
        )
        within = f"{100 * line['within_a_quarter']:5.1f}%"
        print(f"{what:<78}{shown(line['median']):>7}  ({of_median})  [{of_repeats}]  {within}")
        if line["median"] is not None:
            what = f"{what}: epochs over random's, upper end {shown(line['high'])}"
            rows.append(row(what, "ratio", line["median"], 1.0, "random search"))
    return rows


def row(what: str, unit: str, ours: float, peer: float | None, peer_name: str | None) -> dict:
    ratio = peer / max(ours, FLOOR) if peer is not None else None
    return {"what": what, "unit": unit, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--runs", type=Path, nargs="+", required=True)
    args.add_argument("--latency", type=Path, nargs=2, required=True, help="ours, Optuna's")
    args.add_argument("--curves", type=Path, required=True, help="what `bench_search curves` wrote")
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    runs = Runs(read(args.runs))
    print_regrets(runs)
    rows = compare(runs) + latencies(*args.latency) + schedulers(args.curves)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"bench": "search", "commit": commit, "machine": machine, "rows": rows}
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
