"""Benchmark results: rows of ours beside a peer's, written to bench/results/NAME.json and printed as a table.

`ratio` above 1 means ours is better: peer / ours for a time, ours / peer for a rate.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def row(what, unit, ours, peer, peer_name, smaller_is_better=True):
    """`ours` and `peer`: the measurements of several runs each; their medians are compared."""
    ours, peer = statistics.median(ours), statistics.median(peer)
    ratio = peer / ours if smaller_is_better else ours / peer
    return {"what": what, "unit": unit, "ours": ours, "peer": peer, "peer_name": peer_name, "ratio": ratio}


def geometric_mean(values):
    return statistics.geometric_mean(list(values))


def machine():
    """What it runs on, in words."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    gpus = []
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return " and ".join([f"{len(os.sched_getaffinity(0))} cores of {model}", *gpus])


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def write(bench, rows):
    """Writes `bench/results/NAME.json`, or below CULTIVAR_BENCH_OUT where that is set, and gives its path."""
    path = Path(os.environ.get("CULTIVAR_BENCH_OUT", ROOT / "bench/results")) / f"{bench}.json"
    path.parent.mkdir(exist_ok=True)
    result = {"bench": bench, "commit": commit(), "machine": machine(), "rows": rows}
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def save(bench, rows):
    """Writes the file and prints the table."""
    result = json.loads(write(bench, rows).read_text())
    cells = [("what", "unit", "ours", "peer", "ratio", "peer is")]
    cells += [
        (row["what"], row["unit"], f"{row['ours']:.4g}", f"{row['peer']:.4g}", f"{row['ratio']:.2f}", row["peer_name"]) for row in rows
    ]
    widths = [max(len(cell[idx]) for cell in cells) for idx in range(len(cells[0]))]
    print(f"{bench}, {result['machine']}, commit {result['commit']}")
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
