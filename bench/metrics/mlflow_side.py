"""MLflow's own store on the same Postgres: one of several processes that log batches of a thousand points."""

import os
import sys
import time

# Its start-up tells more than anybody asked.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

from mlflow.entities import Metric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

N_POINTS = 1000


def main():
    url, folder, n_batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = SqlAlchemyStore(url, folder)
    run = store.create_run("0", "bench", 0, [], "bench").info.run_id
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    for batch in range(n_batches):
        steps = range(batch * N_POINTS, (batch + 1) * N_POINTS)
        store.log_batch(run, [Metric("train_loss", 1 / (step + 1), 0, step) for step in steps], [], [])
    print(began, time.time(), flush=True)


if __name__ == "__main__":
    main()
