"""Cultivar's fine-tuning beside a plain PyTorch script's: the same data, weights, recipe and budget, many seeds of each.

    python bench/finetune/run.py WORKER VERSION WEIGHTS [--full 30] [--head-only 20] [--jobs 1] [--threads 2]
        [--resolution 96] [--keep FOLDER]

WORKER: the program `cultivar-worker`; VERSION: what `cultivar dataset import DIR --out VERSION` wrote; WEIGHTS:
EfficientNet-Lite0's as safetensors. For each mode it prints both means of validation top-1 and the 90% interval of
their difference by Welch's t (1947), which is to lie inside +-1.5 points.
"""

import argparse
import concurrent.futures
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from scipy import stats

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result

BOUND_POINTS = 1.5
# Chosen once, for neither side: rates near the middle of what works on validation.
RECIPES = {
    "full": {"epochs": 4, "lr": 1e-3},
    "head_only": {"epochs": 15, "lr": 4e-3},
}
BACKBONE, BATCH, WEIGHT_DECAY, SMOOTHING = "efficientnet_lite0", 64, 0.01, 0.1


def spec(mode, resolution, seed):
    recipe = RECIPES[mode]
    fit = {"epochs": recipe["epochs"], "batch_size": BATCH, "resolution": resolution, "seed": seed}
    return {
        "data": {"dataset": "open-emoji"},
        "backbone": {"name": BACKBONE, "weights": "pretrained"},
        "adaptation": {"mode": mode},
        "optimizer": {"kind": "adamw", "lr": recipe["lr"], "weight_decay": WEIGHT_DECAY},
        "schedule": {"kind": "one_cycle"},
        "loss": {"kind": "cross_entropy", "smoothing": SMOOTHING},
        "fit": fit,
    }


def output(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def ours(options, work, mode, seed):
    # Of a run that was cut off.
    shutil.rmtree(work / f"{mode}-{seed}", ignore_errors=True)
    command = [options.worker, "train", "-", "--data", options.version, "--weights", options.weights, "--json"]
    command += ["--home", work / "home", "--out", work / f"{mode}-{seed}"]
    environment = os.environ | {"CULTIVAR_THREADS": str(options.threads)}
    report = json.loads(output(command, input=json.dumps(spec(mode, options.resolution, seed)), env=environment))
    return report["metrics"]["val_top1"], report["cost"]["seconds"]


def pytorch(options, work, mode, seed):
    recipe = RECIPES[mode]
    given = {
        "manifest": options.version / "manifest.json", "weights": options.weights, "backbone": BACKBONE, "mode": mode,
        "epochs": recipe["epochs"], "lr": recipe["lr"], "weight-decay": WEIGHT_DECAY, "smoothing": SMOOTHING,
        "batch": BATCH, "resolution": options.resolution, "threads": options.threads, "seeds": seed,
    }  # fmt: skip
    command = [sys.executable, HERE / "pytorch_side.py", "--data", *sorted(options.version.glob("*.parquet"))]
    command += [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    report = json.loads(output(command))
    return report["val_top1"], report["seconds"]


def welch(ours, theirs, level):
    """Interval of the difference of means."""
    mean = statistics.mean(ours) - statistics.mean(theirs)
    parts = [statistics.variance(side) / len(side) for side in (ours, theirs)]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (ours, theirs)))
    half = stats.t.ppf(0.5 + level / 2, freedom) * math.sqrt(sum(parts))
    return mean, float(mean - half), float(mean + half)


def compare(options, work, mode, n_seeds):
    """Runs `n_seeds` of both sides, says how each did, and compares them."""
    sides = {"ours": ours, "pytorch": pytorch}
    # Alternating, so that both meet the same machine.
    jobs = [(name, seed) for seed in range(n_seeds) for name in sides]

    def score(job):
        name, seed = job
        kept = work / f"{mode}-{name}-{seed}.json"
        if not kept.exists():
            found = json.dumps(sides[name](options, work, mode, seed))
            kept.with_suffix(".new").write_text(found)
            kept.with_suffix(".new").rename(kept)
        return json.loads(kept.read_text())

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        scores = list(pool.map(score, jobs))
    points = {name: [100 * score for (side, _), (score, _) in zip(jobs, scores) if side == name] for name in sides}
    seconds = {name: [taken for (side, _), (_, taken) in zip(jobs, scores) if side == name] for name in sides}
    mean, low, high = welch(points["ours"], points["pytorch"], 0.9)
    for name, values in points.items():
        took = statistics.median(seconds[name])
        sd = statistics.stdev(values)
        print(f"{mode:10} {name:8} {len(values)} seeds  mean {statistics.mean(values):.2f}%  sd {sd:.2f}  {took:.1f} s a run")
    inside = bool(-BOUND_POINTS < low and high < BOUND_POINTS)
    print(f"{mode:10} difference {mean:+.2f} points, 90% interval [{low:+.2f}, {high:+.2f}]: {'inside' if inside else 'NOT inside'} +-{BOUND_POINTS}")
    row = {"what": mode, "unit": "% val top-1", "points": points, "seconds": seconds, "difference": [mean, low, high], "inside": inside}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worker", type=Path)
    parser.add_argument("version", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--full", type=int, default=30)
    parser.add_argument("--head-only", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=96, help="pixels; 64 where there is no GPU")
    parser.add_argument("--keep", type=Path, help="keep each run's score in this folder; called again, it goes on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = options.keep or Path(work)
        work.mkdir(parents=True, exist_ok=True)
        # Decodes the images and, for frozen backbones, computes the features.
        for mode in RECIPES:
            if not any(work.glob(f"{mode}-ours-*.json")):
                ours(options, work, mode, 1000)
        rows = [compare(options, work, mode, n) for mode, n in (("head_only", options.head_only), ("full", options.full))]
    path = result.write("finetune", rows)
    print(f"written to {path}")
    sys.exit(0 if all(row["inside"] for row in rows) else 1)


if __name__ == "__main__":
    main()
