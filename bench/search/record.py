"""Records real trials on open-emoji with `cultivar-worker`, for `make bench-search` to search again and again.

    record.py head  --worker BIN --data DIR --weights efficientnet_lite0.safetensors --out FOLDER   learning curves, heads
    record.py wide  ...                                                                             from a wider space
    record.py long  ...                                                                             of whole networks
    record.py whole ...                                                                             from a wider space, at 48 px
    record.py fresh ...                                                                             drawn anew from that space
    record.py table --weights efficientnet_lite0.safetensors efficientnet_lite1.safetensors ...     the table of cells
    record.py sweep --id ID --token FILE --out FOLDER                       the curves of a sweep of `full.yaml`, from its server
    record.py pack  --out FOLDER                                                                    what was recorded

Each appends one JSON line a trial to FOLDER/{head,wide,long,whole,fresh,table}.jsonl and goes on where it was left; `sweep` writes full.jsonl.
Curves that are packed already are not recorded again, and `pack` adds to them: --fresh leaves them out.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from recorded import (
    CURVE_EPOCHS,
    HEAD_SPACE,
    LONG_SPACE,
    TABLE_EPOCHS,
    TABLE_NAME,
    TABLE_SEEDS,
    TABLE_SPACE,
    WHOLE_SPACE,
    WIDE_SPACE,
    cells,
    draw,
    lay,
)
from trainers import Pool

HERE = Path(__file__).resolve().parent

BASE = {
    "adaptation": {"mode": "head_only"},
    "optimizer": {"kind": "adamw"},
    "schedule": {"kind": "cosine", "warmup_fraction": 0.1},
    "loss": {"kind": "cross_entropy"},
    "fit": {"epochs": 1, "batch_size": 64, "resolution": 96},
}


def whole_network(resolution: int) -> dict:
    """Small images, and a third of them, since whole networks take long on a CPU."""
    fit = BASE["fit"] | {"resolution": resolution}
    return BASE | {"data": {"train_fraction": 1 / 3}, "adaptation": {"mode": "full"}, "fit": fit}


BASES = {"long": whole_network(32), "whole": whole_network(48), "fresh": whole_network(48)}
SPACES = {"head": HEAD_SPACE, "wide": WIDE_SPACE, "long": LONG_SPACE, "whole": WHOLE_SPACE, "fresh": WHOLE_SPACE}
N_CURVES = {"head": 480, "wide": 240, "long": 164, "whole": 48, "fresh": 48}


def warm(args, backbone: str, weights: Path) -> dict:
    """Trains one epoch, which decodes the images and computes what all trials share. Returns the resolved spec."""
    spec = BASES.get(args.what, BASE) | {"backbone": {"name": backbone}}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        out = Path(folder) / "run"
        (Path(folder) / "spec.json").write_text(json.dumps(spec))
        command = [args.worker, "train", f"{folder}/spec.json", "--data", args.data, "--weights", weights, "--home", args.home]
        done = subprocess.run([*command, "--out", out, "--json"], stdout=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"record: the first trial of {backbone} failed")
        return json.loads((out / "spec.json").read_text())


def job_files(args) -> dict:
    folders = [args.data] if (args.data / "manifest.json").is_file() else sorted(args.home.glob("local/datasets/*"))
    if len(folders) != 1:
        sys.exit(f"record: {args.home} holds {len(folders)} datasets, not one")
    data = sorted(str(path) for path in folders[0].glob("*.parquet"))
    return {"manifest": str(folders[0] / "manifest.json"), "data": data, "cache_dir": str(args.home / "worker/cache")}


def curve_trials(kind: str) -> list[dict]:
    rng = random.Random(f"open-emoji {kind}")
    return [{"idx": idx, "overlay": draw(SPACES[kind], rng)} for idx in range(N_CURVES[kind])]


def table_trials() -> list[dict]:
    """Whole cells first in a mixed order, so that one cut short is a sample of the grid."""
    found = [{"cell": idx, "overlay": overlay} for idx, overlay in enumerate(cells(TABLE_SPACE))]
    random.Random(0).shuffle(found)
    return [cell | {"seed": seed} for cell in found for seed in TABLE_SEEDS]


def spec_of(trial: dict, bases: dict, epochs: int) -> dict:
    """The resolved spec of a trial, from the resolved one of its backbone."""
    backbone = trial["overlay"].get("backbone", {}).get("name", next(iter(bases)))
    fit = {"epochs": epochs, "seed": trial.get("seed", 0)}
    return lay(lay(bases[backbone], trial["overlay"]), {"fit": fit})


def identity(trial: dict) -> str:
    return json.dumps(trial, sort_keys=True)


def packed(args, kind: str) -> list[dict]:
    """Lines of the curves that were packed before."""
    path = args.to / "curves" / f"{kind}.json.gz"
    if args.fresh or kind not in SPACES or not path.exists():
        return []
    content = json.loads(gzip.decompress(path.read_bytes()))
    trials = {identity(trial["overlay"]): trial for trial in curve_trials(kind)}
    kept = {"epochs": content["epochs"]}
    return [{"trial": trials[identity(curve.pop("overlay"))]} | kept | curve for curve in content["curves"]]


def record(args) -> None:
    epochs = args.epochs or (TABLE_EPOCHS if args.what == "table" else CURVE_EPOCHS)
    trials = table_trials() if args.what == "table" else curve_trials(args.what)
    args.out.mkdir(parents=True, exist_ok=True)
    args.home.mkdir(parents=True, exist_ok=True)
    out = args.out / f"{args.what}.jsonl"
    lines = packed(args, args.what) + (read(out) if out.exists() else [])
    done = {identity(line["trial"]) for line in lines if line["epochs"] == epochs}
    left = [trial for trial in trials if identity(trial) not in done][: args.trials]
    started = time.monotonic()
    weights = {path.stem: path for path in args.weights}
    bases = {backbone: warm(args, backbone, path) for backbone, path in weights.items()}
    print(f"{args.what}: {len(left)} of {len(trials)} trials to go, warm after {time.monotonic() - started:.0f} s", flush=True)
    files = job_files(args)
    jobs = []
    for trial in left:
        spec = spec_of(trial, bases, epochs)
        job = {"tag": "bench", "spec": spec, "weights": str(weights[spec["backbone"]["name"]]), "resume": None}
        jobs.append((trial, {"job": job, "files": files}))
    n_ended, next_word = 0, 0.0
    with out.open("a") as sink:

        def write(trial: dict, line: dict) -> None:
            nonlocal n_ended, next_word
            sink.write(json.dumps({"trial": trial, "epochs": epochs} | line) + "\n")
            sink.flush()
            n_ended += 1
            passed = time.monotonic() - started
            if passed > next_word:
                next_word = passed + 10
                print(f"{passed:6.0f} s  {n_ended} of {len(left)}  {line['outcome']} {line['val_top1'][-1:]}", flush=True)

        pool = Pool(args.worker, args.slots, args.threads, args.gpu, args.scratch)
        pool.run(jobs, args.seconds - (time.monotonic() - started), write)
    print(f"{args.what}: {n_ended} trials in {time.monotonic() - started:.0f} s, {len(left) - n_ended} left", flush=True)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def record_sweep(args) -> None:
    """Asks a server for the curves of a finished sweep, each with the values of its search space."""
    bearer = {"Authorization": f"Bearer {args.token.read_text().strip()}"}

    def get(path: str) -> dict:
        with urllib.request.urlopen(urllib.request.Request(f"{args.url}/api/v1/{path}", headers=bearer)) as answer:
            return json.load(answer)

    space = get(f"sweeps/{args.id}")["spec"]["space"]
    trials, cursor = [], ""
    while cursor is not None:
        page = get(f"trials?sweep={args.id}&limit=200{cursor}")
        trials += page["trials"]
        cursor = f"&cursor={page['next_cursor']}" if page.get("next_cursor") else None
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "full.jsonl").open("w") as sink:
        settled = [trial for trial in trials if trial["state"] in ("completed", "failed")]
        for idx, trial in enumerate(settled):
            detail = get(f"trials/{trial['id']}")
            points = get(f"trials/{trial['id']}/series?metric=val_top1")["points"]
            curve = [point["value"] for point in points]
            overlay = {part: detail["spec"][part] for part in space}
            line = {"trial": {"idx": idx, "overlay": overlay}, "epochs": detail["spec"]["fit"]["epochs"]}
            sink.write(json.dumps(line | {"outcome": trial["state"], "val_top1": curve}) + "\n")
    (args.out / "full_space.json").write_text(json.dumps(space))
    print(f"sweep: {len(settled)} of {len(trials)} trials")


def pack_curves(args, kind: str, space: dict) -> None:
    lines = {line["trial"]["idx"]: line for line in packed(args, kind) + read(args.out / f"{kind}.jsonl")}
    trials = [line for _, line in sorted(lines.items())]
    epochs = trials[0]["epochs"]
    curves = []
    for line in trials:
        # What diverged reported less; a scheduler is told of what there is.
        curves.append({"overlay": line["trial"]["overlay"], "outcome": line["outcome"], "val_top1": rounded(line["val_top1"])})
    content = {"name": f"open_emoji_{kind}", "metric": "val_top1", "epochs": epochs, "space": space, "curves": curves}
    save(args.to / "curves" / f"{kind}.json.gz", content)
    print(f"{kind}: {len(curves)} curves, {sum(c['outcome'] == 'completed' for c in curves)} completed")


def pack_table(args) -> None:
    values: dict[int, dict[int, float]] = {}
    for line in read(args.out / "table.jsonl"):
        # A trial that diverged is worth nothing.
        value = line["val_top1"][-1] if line["outcome"] == "completed" else 0.0
        values.setdefault(line["trial"]["cell"], {})[line["trial"]["seed"]] = value
    overlays = cells(TABLE_SPACE)
    whole = {cell: found for cell, found in values.items() if set(found) == set(TABLE_SEEDS)}
    if len(whole) < len(overlays):
        sys.exit(f"record: {len(whole)} of {len(overlays)} cells are whole: record the rest first")
    packed = [{"overlay": overlay, "values": rounded([whole[idx][seed] for seed in TABLE_SEEDS])} for idx, overlay in enumerate(overlays)]
    content = {"name": TABLE_NAME, "metric": "val_top1", "direction": "maximize", "space": TABLE_SPACE, "cells": packed}
    save(args.to / "tables" / f"{TABLE_NAME}.json.gz", content)
    print(f"table: {len(packed)} cells")


def rounded(values: list) -> list:
    return [None if value is None else round(value, 6) for value in values]


def save(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No time stamp, so that equal content gives equal files.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
        file.write(json.dumps(content, separators=(",", ":")).encode())


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("what", choices=[*SPACES, "table", "sweep", "pack"])
    args.add_argument("--out", type=Path, required=True, help="where lines are appended")
    args.add_argument("--to", type=Path, default=HERE, help="where the small files are, and where pack puts them")
    args.add_argument("--fresh", action="store_true", help="leave out what is packed")
    args.add_argument("--id", help="sweep: which")
    args.add_argument("--url", default="http://127.0.0.1:7878", help="sweep: its server")
    args.add_argument("--token", type=Path, help="sweep: a file with a token of that server")
    args.add_argument("--worker", type=Path, help="cultivar-worker")
    args.add_argument("--data", type=Path, help="open-emoji, as built or as imported")
    args.add_argument("--weights", type=Path, nargs="+", default=[], help="BACKBONE.safetensors, one a backbone")
    args.add_argument("--home", type=Path, help="data folder, shared by all trials")
    args.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="what trials write, soon deleted")
    args.add_argument("--slots", type=int, default=2, help="trials at the same time")
    args.add_argument("--threads", type=int, default=1, help="of each")
    args.add_argument("--gpu", action="store_true", help="let trials use the GPU")
    args.add_argument("--epochs", type=int, help="other than the benchmark's, to try it out")
    args.add_argument("--trials", type=int, help="at most so many, to try it out")
    args.add_argument("--seconds", type=float, default=1e9, help="stop after so long; call again to go on")
    args = args.parse_args()
    if args.what == "pack":
        for kind, space in SPACES.items():
            if (args.out / f"{kind}.jsonl").exists():
                pack_curves(args, kind, space)
        if (args.out / "full.jsonl").exists():
            pack_curves(args, "full", json.loads((args.out / "full_space.json").read_text()))
        if (args.out / "table.jsonl").exists():
            pack_table(args)
        return
    if args.what == "sweep":
        return record_sweep(args)
    for name in ("worker", "data", "weights", "home"):
        if not getattr(args, name):
            sys.exit(f"record: --{name} is missing")
    args.home, args.worker, args.data = args.home.absolute(), args.worker.absolute(), args.data.absolute()
    args.weights = [path.absolute() for path in args.weights]
    record(args)


if __name__ == "__main__":
    main()
