"""One of several processes that ask and tell on one Optuna study; prints when it began and ended, in seconds.

Every process waits on a line of its standard input, so that all begin together.
"""

import sys
import time

import optuna

from parameters import PARAMETERS


def main():
    url, name, n_trials, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=name, storage=url, sampler=optuna.samplers.RandomSampler(seed=seed))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    for _ in range(n_trials):
        trial = study.ask()
        for parameter, (low, high) in PARAMETERS.items():
            trial.suggest_float(parameter, low, high, log=True)
        study.tell(trial, 0.5)
    print(began, time.time(), flush=True)


if __name__ == "__main__":
    main()
