"""Ten thousand workers that find nothing to do, through a restart of the server; and claims while a snapshot is held open.

    make bench-fleet

One process plays all workers over HTTP: each has a claim that waits for work, and beats as often as the server asks. The
server is killed and started again on its port; nothing but errors after which a worker tries again may come of it. Then,
without the workers, trials are claimed and completed before and while another session holds a snapshot, which keeps
dead rows of the queue alive. A bar that is missed fails the run; in the table the bars are the peers.
"""

import argparse
import contextlib
import json
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "queue")]
import result
from asking import N_CLIENTS, measure
from stack import Server, workplace

MEASURE_S = 30
SNAPSHOT_S = 60
# Within this time every worker has to be heard of again: else the leases of those that hold some run out.
LEASE_S = 30
P99_MS = 250
# The pool of a replica: server/src/state.rs.
POOL = 20
LEAST_UNDER_SNAPSHOT = 0.5
N_TRIALS = 3000
N_ROUNDS = 3
# Files that a process needs for other things than workers' connections.
N_OTHER_FILES = 1000


def raise_file_limit():
    """How many files a process may open, and from here on does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    """Not one of those that the system gives to outgoing connections: while the server is away one of thousands that try
    to reach it would get its port, and keep it from coming back."""
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Fleet:
    """The process that plays the workers."""

    def __init__(self, program, server, n_workers, n_sockets):
        command = [program, server.url, server.token, str(n_workers), str(n_sockets)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.n_workers = n_workers
        self.n_calls, self.retried, self.fatal = 0, {}, {}

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self):
        """What happened since the last time."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the workers ended")
        report = json.loads(line)
        self.n_calls += report["n_beats"] + report["n_polls"]
        for ours, theirs in ((self.retried, report["retried"]), (self.fatal, report["fatal"])):
            for kind, n in theirs.items():
                ours[kind] = ours.get(kind, 0) + n
        return report

    def ask(self, command):
        self.say(command)
        return self.hear()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class ConnectionCount(threading.Thread):
    """Looks at how many connections a database has, and remembers the most."""

    def __init__(self, cluster, database):
        super().__init__(daemon=True)
        self.conninfo = f"host={cluster.folder} user=postgres dbname=postgres"
        self.database, self.most, self.done = database, 0, threading.Event()
        self.start()

    def run(self):
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            while not self.done.wait(0.1):
                (n,) = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'", [self.database]
                ).fetchone()
                self.most = max(self.most, n)

    def stop(self):
        self.done.set()
        self.join()


def tell(what, report):
    times = ", ".join(f"{name} {report[f'beat_{name}_ms'] or 0:.1f}" for name in ("p50", "p99", "max"))
    print(f"{what}: {report['n_beats']} heartbeats ({times} ms), {report['n_polls']} claims answered in {report['seconds']:.1f} s", file=sys.stderr)
    for name in ("retried", "fatal"):
        for kind, n in report[name].items():
            print(f"  {name}: {n} x {kind}", file=sys.stderr)


def idle_and_restart(fleet, server):
    """The reports before and after the restart, and how long it took until everybody was heard of again."""
    for what in ("polls", "beats"):
        report = fleet.ask(f"await {what} 120")
        tell(f"first {what}", report)
        if report["n_missing"]:
            sys.exit(f"{report['n_missing']} workers did not get through")
    before = fleet.ask(f"measure {MEASURE_S}")
    tell("idle", before)
    server.kill()
    fleet.say("await beats 120")
    # The workers have to notice.
    time.sleep(1)
    server.restart()
    began = time.monotonic()
    report = fleet.hear()
    back_s = time.monotonic() - began
    tell(f"all back {back_s:.1f} s after the restart", report)
    if report["n_missing"]:
        sys.exit(f"{report['n_missing']} workers did not come back")
    after = fleet.ask(f"measure {MEASURE_S}")
    tell("settled", after)
    return before, after, back_s


def under_snapshot(server, client):
    """Trials per second of rounds before a snapshot is taken, and of the last one while it is held."""
    seeds = iter(range(10**6))
    rounds = lambda: measure(server, client, N_TRIALS, next(seeds))[0]
    # Warms the caches.
    rounds()
    before = [rounds() for _ in range(N_ROUNDS)]
    print(f"before the snapshot: {', '.join(f'{rate:.0f}' for rate in before)} trials/s", file=sys.stderr)
    with psycopg.connect(server.conninfo) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT count(*) FROM trial_queue")
        taken, during = time.monotonic(), []
        while time.monotonic() < taken + SNAPSHOT_S:
            during.append(rounds())
            print(f"{time.monotonic() - taken:.0f} s into it: {during[-1]:.0f} trials/s", file=sys.stderr)
    return before, during[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", type=Path, help="folder of cultivar-server, examples/bench_fleet and examples/bench_queue")
    parser.add_argument("--workers", type=int, default=10_000)
    args = parser.parse_args()
    n_sockets = raise_file_limit() - N_OTHER_FILES
    if n_sockets < args.workers:
        sys.exit(f"{args.workers} workers need a socket each, and a process may have {n_sockets} here: raise the hard limit, ulimit -Hn")
    if n_sockets < 2 * args.workers:
        print(f"heartbeats share {n_sockets - args.workers} sockets: a process may open no more", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        server = Server(folder, cluster, "fleet", args.programs / "cultivar-server", f"127.0.0.1:{free_port()}")
        stack.callback(server.stop)
        with contextlib.ExitStack() as fleeting:
            connections = ConnectionCount(cluster, "fleet")
            fleeting.callback(connections.stop)
            fleet = Fleet(args.programs / "examples/bench_fleet", server, args.workers, n_sockets)
            fleeting.callback(fleet.stop)
            before, after, back_s = idle_and_restart(fleet, server)
        free, held = under_snapshot(server, args.programs / "examples/bench_queue")
    n_fatal = sum(fleet.fatal.values())
    n_tries = fleet.n_calls + sum(fleet.retried.values()) + n_fatal
    workers = f"{args.workers:,} workers"
    p99 = lambda when, report: result.row(f"p99 heartbeat, {workers}, {when}", "ms", [report["beat_p99_ms"]], [P99_MS], "the bar")
    barred = [
        (p99("idle", before), 1),
        (p99("after a restart", after), 1),
        (result.row("calls that were answered or are tried again", "%", [100 * (1 - n_fatal / n_tries)], [100], "the bar", smaller_is_better=False), 1),
        (result.row("Postgres connections at most", "connections", [connections.most], [POOL], "the pool of one replica"), 1),
        (
            result.row(
                f"ask + complete, {N_CLIENTS} clients, a snapshot open for {SNAPSHOT_S} s", "trials/s", [held], free, "ours before", smaller_is_better=False
            ),
            LEAST_UNDER_SNAPSHOT,
        ),
    ]
    back = result.row("everybody heard of after a restart", "s", [back_s], [LEASE_S], "the length of a lease")
    result.save("fleet", [*(row for row, _ in barred), back])
    missed = [row["what"] for row, least in barred if row["ratio"] < least]
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
