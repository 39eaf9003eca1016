"""A Postgres with fsync on and servers of ours, for benchmarks."""

import hashlib
import json
import os
import pwd
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import psycopg


def postgres_bin():
    if "CULTIVAR_PG_BIN" in os.environ:
        return Path(os.environ["CULTIVAR_PG_BIN"])
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class Cluster:
    """A Postgres of our own with its default settings, fsync on."""

    def __init__(self, folder):
        self.folder, self.bin = folder, postgres_bin()
        # Postgres refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        self.run("initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        self.run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "start", "-o", f"-k {folder} -c listen_addresses= -c max_connections=200")

    def run(self, program, *arguments):
        command = [self.bin / program, *arguments]
        done = subprocess.run(command, user=self.user, cwd="/", capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def database(self, name):
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"host={self.folder} user=postgres dbname={name}"

    def stop(self):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")


def workplace(stack):
    """A folder and a cluster in it, both gone when the exit stack closes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cultivar-bench")))
    # Postgres has a user of its own.
    folder.chmod(0o755)
    (folder / "postgres").mkdir()
    cluster = Cluster(folder / "postgres")
    stack.callback(cluster.stop)
    return folder, cluster


class Server:
    """A server of ours on a database of its own, its rate limits off: one machine plays many callers."""

    def __init__(self, folder, cluster, name, program, listen="127.0.0.1:0"):
        self.conninfo = cluster.database(name)
        self.home = folder / name
        self.home.mkdir()
        self.program = program
        self.environment = os.environ | {
            "DATABASE_URL": f"postgres:///{name}?host={cluster.folder}&user=postgres",
            "CULTIVAR_HOME": str(self.home),
            "CULTIVAR_LOG": "warn",
        }
        self.start(listen)
        self.token = (self.home / "admin-token").read_text().strip()
        self.model = self.upload(b"model")
        self.register()

    def start(self, listen):
        """Starts the process, and waits until it serves."""
        self.process = subprocess.Popen([self.program, "--listen", listen, "--rate-limit", "0"], env=self.environment, stdout=subprocess.PIPE, text=True)
        marker = "CULTIVAR_READY "
        line = next((line for line in self.process.stdout if line.startswith(marker)), None)
        if line is None:
            sys.exit(f"{self.program} ended before it served")
        self.url = json.loads(line.removeprefix(marker))["url"]

    def kill(self):
        """Ends the process where it stands."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Starts a process again, at the address of the one before."""
        self.start(self.url.removeprefix("http://"))

    def call(self, method, path, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")

    def upload(self, content):
        digest = hashlib.sha256(content).hexdigest()
        self.call("PUT", f"artifacts/{digest}", content, "application/octet-stream")
        return digest

    def register(self):
        splits = ["train", "val", "test"]
        images = [
            {"sha256": hashlib.sha256(b"image %d" % idx).hexdigest(), "label": idx % 2, "split": splits[idx // 10], "group": None}
            for idx in range(30)
        ]
        files = [{"sha256": self.upload(b"parquet"), "n_bytes": 7, "n_rows": 30}]
        manifest = {"name": "mini", "title": "Mini", "classes": ["even", "odd"], "images": images, "files": files, "sources": [], "split_rule": "by index"}
        self.call("POST", "datasets", manifest)
        weights = {
            "backbone": "efficientnet_lite0", "sha256": self.upload(b"weights"), "mean": [0.5] * 3, "std": [0.25] * 3,
            "interpolation": "bicubic", "crop_pct": 0.9,
        }
        self.call("POST", "weights", weights)

    def stop(self):
        self.process.terminate()
        self.process.wait()
