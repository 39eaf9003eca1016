"""Metrics beside MLflow's store and beside a raw insert of the same rows, in alternating runs.

    make bench-metrics

One Postgres with fsync on serves everybody, in databases of their own; every side runs four clients that store batches of
a thousand points, each batch durable before the next. Ours goes over HTTP. MLflow is called in its own process, without
its server: the time of HTTP is not in its figure.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result
from stack import Server, workplace

N_CLIENTS = 4
N_BATCHES = 60
N_MLFLOW = 3
N_POINTS = 1000


def ours(server, client):
    spec = {"data": {"dataset": "mini", "train_on": "train_val"}, "adaptation": {"mode": "head_only"}}
    for _ in range(N_CLIENTS):
        server.call("POST", "trials", {"spec": spec})
    command = [client, server.url, server.token, str(N_CLIENTS), str(N_BATCHES)]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return done["n_points"] / done["seconds"]


def together(command, n_batches):
    """Points per second of several processes that begin together."""
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(N_CLIENTS)]
    for process in processes:
        while process.stdout.readline().strip() != "ready":
            if process.poll() is not None:
                sys.exit(f"{command[1]} failed")
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    spans = [tuple(map(float, process.stdout.readline().split())) for process in processes]
    if any(process.wait() for process in processes):
        sys.exit(f"{command[1]} failed")
    n_points = N_CLIENTS * n_batches * N_POINTS
    return n_points / (max(end for _, end in spans) - min(began for began, _ in spans))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=Path, help="folder of cultivar-server and examples/bench_metrics")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        server = Server(folder, cluster, "ours", args.programs / "cultivar-server")
        stack.callback(server.stop)
        raw = cluster.database("raw")
        with psycopg.connect(raw, autocommit=True) as connection:
            connection.execute(
                """CREATE TABLE point (lease_id uuid, metric text, step bigint, epoch double precision, value double precision,
                                       PRIMARY KEY (lease_id, metric, step))"""
            )
        cluster.database("mlflow")
        mlflow = [sys.executable, HERE / "mlflow_side.py", f"postgresql+psycopg://postgres@/mlflow?host={cluster.folder}", str(folder)]
        # Makes its tables.
        subprocess.run([*mlflow, "0"], input="go\n", text=True, check=True, capture_output=True)
        rates = {"ours": [], "raw": [], "mlflow": []}
        for _ in range(args.rounds):
            rates["ours"].append(ours(server, args.programs / "examples/bench_metrics"))
            rates["raw"].append(together([sys.executable, HERE / "raw_side.py", raw, str(N_BATCHES)], N_BATCHES))
            rates["mlflow"].append(together([*mlflow, str(N_MLFLOW)], N_MLFLOW))
            print(", ".join(f"{name} {rate[-1]:.0f}/s" for name, rate in rates.items()), file=sys.stderr)
        what = "metrics in batches of 1,000, 4 clients"
        rows = [
            result.row(what, "points/s", rates["ours"], rates["mlflow"], "MLflow's log_batch, same Postgres", smaller_is_better=False),
            result.row(what, "points/s", rates["ours"], rates["raw"], "raw UNNEST insert of the same rows", smaller_is_better=False),
        ]
        result.save("metrics", rows)


if __name__ == "__main__":
    main()
