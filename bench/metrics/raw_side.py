"""The floor: one of several processes that insert the same rows with UNNEST, as one statement a batch."""

import sys
import time
import uuid

import psycopg

N_POINTS = 1000


def main():
    conninfo, n_batches = sys.argv[1], int(sys.argv[2])
    # Worded once, so that Python's own time is not in it.
    steps = "{" + ",".join(map(str, range(N_POINTS))) + "}"
    values = "{" + ",".join(repr(1 / (step + 1)) for step in range(N_POINTS)) + "}"
    names = "{" + ",".join(["train_loss"] * N_POINTS) + "}"
    lease = uuid.uuid4()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.time()
        for batch in range(n_batches):
            connection.execute(
                """INSERT INTO point SELECT %s, metric, step + %s, (step + %s) / 1000.0, value
                   FROM UNNEST(%s::text[], %s::bigint[], %s::float8[]) AS new (metric, step, value) ON CONFLICT DO NOTHING""",
                [lease, batch * N_POINTS, batch * N_POINTS, names, steps, values],
                prepare=True,
            )
        print(began, time.time(), flush=True)


if __name__ == "__main__":
    main()
