"""What Cultivar does on a GPU: correctness beside its own CPU results first, then speed and memory beside PyTorch eager.

    python bench/gpu/run.py PROGRAMS [--data FOLDER --weights FILE]

PROGRAMS: a folder with `cultivar-worker` and the examples `gpu_check`, `step_time` and `data_path`; this script builds
nothing. With an image folder and EfficientNet-Lite0's weights it also trains there: in every format, on both devices,
twice to the same bits, and on from a checkpoint. Ends with 1 where a check fails, before anything is timed.
"""

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result

# (backbone, side in pixels, batch, precision, rounds)
CASES = [
    ("efficientnet_lite0", 96, 64, "tf32", 3),
    ("efficientnet_lite0", 224, 128, "bf16", 3),
    ("resnet50", 224, 128, "bf16", 3),
    ("vit_small_patch16_224", 224, 128, "bf16", 3),
    ("tf_efficientnet_b3", 300, 128, "bf16", 3),
    ("tf_efficientnet_l2", 475, 16, "bf16", 2),
]
THREADS = 4
PEER = "PyTorch eager, channels-last"
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": ""}
DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


class Usage(ctypes.Structure):
    """NVML's `nvmlMemory_t`, in bytes."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Memory(threading.Thread):
    """The most memory that was in use on the first GPU while this ran, in bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()

    def run(self):
        nvml, device, usage = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p(), Usage()
        nvml.nvmlInit_v2()
        nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device))
        while not self.over.wait(0.02):
            nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(usage))
            self.peak = max(self.peak, usage.used)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def output(command, env=None, **options):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (env or {}), **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def step(command):
    """Seconds of a step, and the device's peak memory in bytes."""
    with Memory() as memory:
        seconds = json.loads(output(command))["step_s"]
    return seconds, memory.peak


def checks(programs):
    return [json.loads(line) for line in output([programs / "gpu_check"]).splitlines()]


class Training:
    """Local runs on open-emoji."""

    def __init__(self, options, work):
        self.worker, self.work = options.programs / "cultivar-worker", work
        self.given = ["--data", options.data, "--weights", options.weights, "--home", work / "home"]

    def command(self, name, **fields):
        fit = {"epochs": 1, "batch_size": 64, "resolution": 96, "seed": 0} | fields
        spec = {
            "data": {"dataset": "open-emoji"},
            "backbone": {"name": "efficientnet_lite0", "weights": "pretrained"},
            "adaptation": {"mode": "full"},
            "optimizer": {"kind": "adamw", "lr": 1e-3},
            "augment": {"mix": {"kind": "cutmix", "alpha": 1.0, "prob": 0.5}},
            "fit": fit,
        }
        path = self.work / f"{name}.json"
        path.write_text(json.dumps(spec))
        return [self.worker, "train", path, *self.given, "--json", "--out", self.work / name]

    def run(self, name, env=None, **fields):
        report = json.loads(output(self.command(name, **fields), env=env))
        return report["metrics"], report["cost"]

    def is_same_model(self, one, other):
        """Bit for bit, tensor by tensor; the order of the file's notes is of no account."""
        from safetensors.numpy import load_file

        one, other = (load_file(self.work / name / "model.safetensors") for name in (one, other))
        return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)

    def checks(self):
        cpu, _ = self.run("cpu", env=CPU_ONLY, precision="f32")
        rows = []
        # One epoch from the same weights over the same draws: rounding is all that differs, and grows over 60 steps.
        for precision, bound in (("f32", 0.01), ("tf32", 0.02), ("bf16", 0.05), ("f16", 0.02)):
            gpu, _ = self.run(precision, precision=precision)
            error = abs(gpu["train_loss"] - cpu["train_loss"]) / cpu["train_loss"]
            rows.append({"what": f"open-emoji, {precision}: mean training loss of an epoch, GPU beside CPU", "error": error, "bound": bound})
            error = abs(gpu["val_top1"] - cpu["val_top1"])
            rows.append({"what": f"open-emoji, {precision}: validation top-1, GPU beside CPU", "error": error, "bound": 0.04})
        for name in ("once", "again"):
            self.run(name, env=DETERMINISTIC, deterministic=True, epochs=4)
        same = self.is_same_model("once", "again")
        rows.append({"what": "deterministic: two runs end in the same bits", "error": float(not same), "bound": 0.0})
        self.interrupt("resumed", deterministic=True, epochs=4)
        same = self.is_same_model("once", "resumed")
        rows.append({"what": "deterministic: so does one that was stopped and resumed", "error": float(not same), "bound": 0.0})
        return rows

    def interrupt(self, name, **fields):
        """Stops a run in mid-training by a signal, and resumes it."""
        command = self.command(name, **fields)
        environment = os.environ | DETERMINISTIC
        first = subprocess.Popen([part for part in command if part != "--json"], stderr=subprocess.PIPE, text=True, env=environment)
        for line in first.stderr:
            if "epoch 1" in line:
                first.send_signal(signal.SIGINT)
                break
        words = first.stderr.read()
        if first.wait() != 130:
            sys.exit(f"the run was to be stopped, and was not: {words}")
        output([*command, "--resume"], env=DETERMINISTIC)


def check(options):
    """Prints a line a check, and says whether all hold."""
    began = time.monotonic()
    rows = checks(options.programs)
    if options.data:
        with tempfile.TemporaryDirectory() as work:
            rows += Training(options, Path(work)).checks()
    failed = [row for row in rows if not row["error"] <= row["bound"]]
    for row in rows:
        print(f"{'FAILED' if row in failed else 'ok    '} {row['error']:.1e} <= {row['bound']:.0e}  {row['what']}")
    print(f"{len(rows) - len(failed)} of {len(rows)} checks hold, {time.monotonic() - began:.0f} s", flush=True)
    return not failed


def timings(programs):
    rows = []
    for backbone, side, batch, precision, n_rounds in CASES:
        arguments = [backbone, str(side), str(batch), str(THREADS), precision]
        ours, peer = [], []
        for _ in range(n_rounds):
            ours.append(step([programs / "step_time", *arguments]))
            peer.append(step([sys.executable, HERE.parent / "train/pytorch_step.py", *arguments]))
        what = f"{backbone}, {side} px, batch {batch}, {precision}"
        rates = [[batch / seconds for seconds, _ in side] for side in (ours, peer)]
        rows.append(result.row(what, "images/s", *rates, PEER, smaller_is_better=False))
        peaks = [[peak / 2**30 for _, peak in side] for side in (ours, peer)]
        rows.append(result.row(what, "GiB at the peak", *peaks, PEER))
        # After each case, so that a run cut short leaves what it measured.
        result.save("gpu", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--only", choices=["checks", "timings"])
    options = parser.parse_args()
    if options.only != "timings" and not check(options):
        sys.exit(1)
    if options.only == "checks":
        return
    if options.data:
        print(output([options.programs / "data_path", options.data, "96", "64"]))
    timings(options.programs)


if __name__ == "__main__":
    main()
