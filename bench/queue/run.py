"""Ask and complete beside Optuna's RDBStorage and beside what Postgres itself can do, in alternating runs.

    make bench-queue

One Postgres with fsync on serves everybody, in databases of their own. Ours: eight clients over HTTP, each claims a
trial and completes it; the time counts from before the sweep is submitted, since that is when its configurations are
drawn, and also from when all are queued, since pgbench finds its jobs there. They do so in turn, each waiting for every
answer, and as the slots of a worker do, which claim while results are on their way. Optuna: eight processes, each asks, draws
the same three parameters at random and tells. The floor is pgbench with eight clients on a bare table, each in turn.

Only then a second server gets a million finished trials into its database, and takes turns with the first: for minutes after
gigabytes were stored the disk is slower for everybody, and most for who asks most of it.
"""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result
from asking import N_CLIENTS, measure
from stack import Server, workplace

N_TRIALS = 6000
N_OPTUNA = 400
PGBENCH_S = 4


@contextlib.contextmanager
def without_indexes(connection, *tables):
    """Takes away what makes a million rows slow to store, foreign keys and indexes that no constraint needs, and puts it back."""
    indexes = connection.execute(
        """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
           WHERE i.indrelid::regclass::text = ANY(%s) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)""",
        [list(tables)],
    ).fetchall()
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET maintenance_work_mem = '512MB'")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        connection.execute(definition)


def fill(server, n_trials):
    """Makes a history: copies of a completed trial and its attempt."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection, without_indexes(connection, "trial", "attempt"):
        columns = "sweep_id, config_id, seed, label, dataset, dataset_version, spec, spec_version, state, last_epoch, model_sha256, metrics, objective, cost, started_at, finished_at"
        connection.execute(
            f"""WITH one AS (SELECT * FROM trial WHERE state = 'completed' LIMIT 1)
                INSERT INTO trial (id, {columns}) SELECT gen_random_uuid(), {columns} FROM one, generate_series(1, %s)""",
            [n_trials],
        )
        connection.execute(
            """INSERT INTO attempt (lease_id, trial_id, job, epoch, worker_id, boot_id, claim_request, ended_at, outcome)
               SELECT gen_random_uuid(), t.id, 'train', 1, w.id, gen_random_uuid(), gen_random_uuid(), now(), 'completed'
               FROM trial t, (SELECT id FROM worker LIMIT 1) w WHERE NOT EXISTS (SELECT FROM attempt a WHERE a.trial_id = t.id)"""
        )
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        (n_stored,) = connection.execute("SELECT count(*) FROM trial WHERE state = 'completed'").fetchone()
        print(f"{n_stored} finished trials", file=sys.stderr)


class Optuna:
    def __init__(self, cluster):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        cluster.database("optuna")
        self.url = f"postgresql+psycopg://postgres@/optuna?host={cluster.folder}"
        self.storage = optuna.storages.RDBStorage(self.url)
        self.create = optuna.create_study

    def measure(self, round_idx):
        name = f"round {round_idx}"
        self.create(study_name=name, storage=self.storage)
        processes = [
            subprocess.Popen(
                [sys.executable, HERE / "optuna_side.py", self.url, name, str(N_OPTUNA // N_CLIENTS), str(100 * round_idx + idx)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for idx in range(N_CLIENTS)
        ]
        for process in processes:
            process.stdout.readline()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        spans = [tuple(map(float, process.stdout.readline().split())) for process in processes]
        if any(process.wait() for process in processes):
            sys.exit("an Optuna process failed")
        return N_OPTUNA / (max(end for _, end in spans) - min(began for began, _ in spans))


class Floor:
    def __init__(self, cluster):
        self.cluster = cluster
        with psycopg.connect(cluster.database("floor"), autocommit=True) as connection:
            connection.execute(
                """CREATE TABLE job (id bigint PRIMARY KEY, state integer NOT NULL, claimed_at timestamptz, finished_at timestamptz,
                                     value double precision) WITH (fillfactor = 50)"""
            )
            connection.execute("INSERT INTO job SELECT n, 0 FROM generate_series(1, 500000) n")
            connection.execute("CREATE INDEX job_waiting_idx ON job (id) WHERE state = 0")
            connection.execute("VACUUM ANALYZE job")

    def measure(self):
        said = self.cluster.run(
            "pgbench", "-n", "-h", self.cluster.folder, "-U", "postgres", "-c", str(N_CLIENTS), "-j", "2", "-T", str(PGBENCH_S), "-f", HERE / "claim_finish.sql", "floor"
        )
        return next(float(line.split("=")[1].split()[0]) for line in said.splitlines() if line.startswith("tps"))


def started(stack, folder, cluster, name, program, client):
    """A server with a thousand finished trials, and every cache warm."""
    server = Server(folder, cluster, name, program)
    stack.callback(server.stop)
    measure(server, client, 1000, 0)
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=Path, help="folder of cultivar-server and examples/bench_queue")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--history", type=int, default=1_000_000)
    args = parser.parse_args()
    program, client = args.programs / "cultivar-server", args.programs / "examples/bench_queue"
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        young = started(stack, folder, cluster, "young", program, client)
        optuna, floor = Optuna(cluster), Floor(cluster)
        ours, as_workers, peer, bare = [], [], [], []
        for idx in range(args.rounds):
            seed = idx + 1
            ours.append(measure(young, client, N_TRIALS, seed))
            bare.append(floor.measure())
            as_workers.append(measure(young, client, N_TRIALS, seed, "worker"))
            peer.append(optuna.measure(idx))
            rate, queued = ours[-1]
            print(f"round {seed}: {rate:.0f} ours, {queued:.0f} once queued, {as_workers[-1][0]:.0f} as workers, {bare[-1]:.0f} bare, {peer[-1]:.0f} Optuna", file=sys.stderr)
        old = started(stack, folder, cluster, "old", program, client)
        fill(old, args.history)
        with_history, without = [], []
        for seed in range(args.rounds + 1, 2 * args.rounds + 1):
            with_history.append(measure(old, client, N_TRIALS, seed)[0])
            without.append(measure(young, client, N_TRIALS, seed)[0])
            print(f"round {seed}: {with_history[-1]:.0f} with history, {without[-1]:.0f} without", file=sys.stderr)
        row = lambda what, ours, peer, name: result.row(what, "trials/s", ours, peer, name, smaller_is_better=False)
        (ours, queued), (as_workers, queued_as_workers) = (zip(*rates) for rates in (ours, as_workers))
        pgbench = "pgbench, claim + finish on a bare table, 8 clients"
        rows = [
            row("ask + complete, 8 clients over HTTP", ours, peer, "Optuna RDBStorage, 8 processes, same Postgres"),
            row("ask + complete, 8 clients over HTTP", ours, bare, pgbench),
            row("claim + complete of what is queued, 8 clients over HTTP", queued, bare, pgbench),
            row("ask + complete, 8 slots as a worker has them", as_workers, bare, pgbench),
            row("claim + complete of what is queued, 8 slots as a worker has them", queued_as_workers, bare, pgbench),
            row(f"ask + complete with {args.history:,} finished trials", with_history, without, "ours with some thousand"),
        ]
        result.save("queue", rows)


if __name__ == "__main__":
    main()
