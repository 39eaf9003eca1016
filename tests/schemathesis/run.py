"""Every operation of the API through schemathesis, after a tour that reaches each of them with a 2xx.

    make schemathesis

A server of ours on a Postgres of its own. The tour asks every operation for something that makes sense. Then schemathesis
makes requests from the API's own description, right ones and wrong ones, half of them about things that exist. It passes
where nothing was answered with a 5xx or not at all, where every operation was asked, and where every operation was
answered with a 2xx at least once.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench"))
from stack import Server, workplace
from tour import Client, Refused, tour

METHODS = ["get", "head", "post", "put", "patch", "delete"]
# Who asks for more memory than this is better off dead.
MEMORY_BYTES = 4 << 30


class Watched(Server):
    """A server whose log and login token are kept."""

    def start(self, listen):
        self.log = self.home / "log"
        command = [self.program, "--listen", listen, "--rate-limit", "0"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, env=self.environment | {"NO_COLOR": "1"}, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=limit
            )
        marker = "CULTIVAR_READY "
        line = next((line for line in self.process.stdout if line.startswith(marker)), None)
        if line is None:
            sys.exit(f"{self.program} ended before it served: {self.log.read_text()}")
        ready = json.loads(line.removeprefix(marker))
        self.url, self.login_token = ready["url"], ready["login_url"].partition("#login=")[2]

    def complaints(self):
        """What a server that is well does not have."""
        lines = self.log.read_text(errors="replace").splitlines()
        if self.process.poll() is not None:
            return [f"the server ended with {self.process.returncode}", *lines[-3:]]
        try:
            urllib.request.urlopen(f"{self.url}/healthz", timeout=30).close()
        except OSError as error:
            return [f"/healthz: {error}"]
        return [line for line in lines if "panicked" in line or " ERROR " in line]


    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            print("the server was asked to end, and did not within 60 s")
            self.kill()


def operations(server):
    with urllib.request.urlopen(f"{server.url}/api/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in METHODS if method in methods]


def fuzz(server, client, known, folder, args):
    """Runs schemathesis, and returns what it printed if it was not content, and a line for every case."""
    own = client("POST", "tokens", {"name": "schemathesis", "scope": "admin"})
    told, answers, printed = (folder / name for name in ("told", "answers", "printed"))
    content = {
        "url": server.url, "token": own["token"], "known": known, "accepted": client.accepted, "seed": args.seed, "answers": str(answers),
        # With these gone, everything is a 401.
        "own_tokens": [token["id"] for token in client("GET", "tokens") if token["scope"] == "admin"],
    }
    told.write_text(json.dumps(content))
    answers.touch()
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run", f"{server.url}/api/openapi.json",
        "--phases", args.phases, "--checks", args.checks, "--seed", str(args.seed), "--max-examples", str(args.max_examples),
        "--header", f"Authorization: Bearer {own['token']}", "--no-color",
    ]
    environment = os.environ | {"CULTIVAR_TOLD": str(told), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    with printed.open("w") as output:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    cases = [json.loads(line) for line in answers.read_text().splitlines()]
    return printed.read_text() if done.returncode else "", cases


def table(names, toured, cases, faults):
    """Prints a row for each operation, and returns those never asked and those never answered with a 2xx."""
    counts, reached = defaultdict(Counter), {name for name in names if toured.get(name, 0) // 100 == 2}
    for case in cases:
        status = case["status"]
        column = "none" if status is None else "5xx" if status in faults or status >= 500 else f"{status // 100}xx"
        counts[case["operation"]].update([column, "cases"])
        # A case may be of another method than its operation's.
        if column == "2xx" and case["is_its_method"]:
            reached.add(case["operation"])
    columns = ["cases", "2xx", "4xx", "5xx", "none"]
    print(f"{'operation':48}{'tour':>6}" + "".join(f"{column:>8}" for column in columns))
    for name in names:
        print(f"{name:48}{toured.get(name, '-'):>6}" + "".join(f"{counts[name][column]:>8}" for column in columns))
    return [name for name in names if not counts[name]], [name for name in names if name not in reached]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path, help="cultivar-server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-examples", type=int, default=120, help="cases of an operation in the fuzzing phase")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--checks", default="not_a_server_error", help="what schemathesis holds against an answer")
    parser.add_argument("--fault", type=int, action="append", default=[], help="a status to count as a server error, to see a run fail")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder, cluster = workplace(stack)
        server = Watched(folder, cluster, "schemathesis", args.program)
        stack.callback(server.stop)
        began = time.monotonic()
        client = Client(server.url, {"Authorization": f"Bearer {server.token}"})
        try:
            known = tour(client, server.login_token)
        except Refused as refused:
            sys.exit(f"the tour ended at {refused}")
        names, toured = operations(server), dict(client.statuses)
        printed, cases = fuzz(server, client, known, folder, args)
        complaints = server.complaints()
        seconds = time.monotonic() - began
        unasked, unreached = table(names, toured, cases, args.fault)
    is_error = lambda status: status is not None and (status >= 500 or status in args.fault)
    errors = [case for case in cases if is_error(case["status"])]
    unanswered = [case for case in cases if case["status"] is None]
    for case in (errors + unanswered)[:20]:
        print(f"\n{case['operation']}: {case['status'] or 'no answer'}\n{case['request'] or ''}")
    for line in [printed, *complaints[:20]]:
        print(line)
    for what, which in (("never asked", unasked), ("never answered with a 2xx", unreached)):
        print("".join(f"{what}: {name}\n" for name in which), end="")
    print(
        f"{len(cases)} cases in {seconds:.0f} s, seed {args.seed}: {len(errors)} server errors, {len(unanswered)} without an answer, "
        f"{len(unreached)} of {len(names)} operations never answered with a 2xx"
    )
    sys.exit(bool(errors or unanswered or unasked or unreached or printed or complaints))


if __name__ == "__main__":
    main()
