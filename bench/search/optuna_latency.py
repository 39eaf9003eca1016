"""How long Optuna takes for one question with a long past, in the space of
`crates/search/examples/bench_search/latency.rs`. Processor time of the thread, so that other programs on the
machine do not count; writes the same lines.
"""

import argparse
import json
import math
import random
import time
import warnings
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SPACE = {
    "x0": FloatDistribution(0.0, 1.0),
    "x1": FloatDistribution(-1.0, 1.0),
    "x2": FloatDistribution(0.0, 10.0),
    "x3": FloatDistribution(1e-5, 1.0, log=True),
    "x4": FloatDistribution(1e-3, 1e3, log=True),
    "i0": IntDistribution(0, 100),
    "i1": IntDistribution(1, 8),
    "q0": FloatDistribution(0.0, 1.0, step=0.05),
    "c0": CategoricalDistribution(["a", "b", "c", "d"]),
    "c1": CategoricalDistribution(["x", "y", "z"]),
}

# (line's name, sampler, past trials, questions)
CASES = [
    ("tpe", lambda: optuna.samplers.TPESampler(seed=0, multivariate=True), 1_000, 100),
    ("tpe", lambda: optuna.samplers.TPESampler(seed=0, multivariate=True), 10_000, 100),
    ("gp", lambda: optuna.samplers.GPSampler(seed=0), 1_000, 3),
]


def draw(distribution, rng: random.Random):
    if isinstance(distribution, CategoricalDistribution):
        return rng.choice(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return rng.randint(distribution.low, distribution.high)
    if distribution.step:
        return round(rng.randint(0, 20) * distribution.step, 10)
    if distribution.log:
        return math.exp(rng.uniform(math.log(distribution.low), math.log(distribution.high)))
    return rng.uniform(distribution.low, distribution.high)


def value(params: dict) -> float:
    near = -((params["x0"] - 0.3) ** 2) - params["x1"] ** 2
    return near - 0.01 * abs(math.log(params["x3"])) - 0.001 * params["i0"]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    with args.out.open("w") as out:
        for name, sampler, n_past, n_questions in CASES:
            rng = random.Random(0)
            study = optuna.create_study(direction="maximize", sampler=sampler())
            for _ in range(n_past):
                params = {key: draw(distribution, rng) for key, distribution in SPACE.items()}
                trial = optuna.trial.create_trial(params=params, distributions=SPACE, value=value(params))
                study.add_trial(trial)
            times_ms = []
            for _ in range(n_questions):
                started = time.thread_time()
                trial = study.ask(SPACE)
                times_ms.append(1e3 * (time.thread_time() - started))
                study.tell(trial, value(trial.params))
            line = {"sampler": name, "past": n_past, "ms": sorted(times_ms)}
            out.write(json.dumps(line) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
