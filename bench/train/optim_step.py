"""Optimizer steps alone on EfficientNet-Lite0's parameters: ours beside timm's, with the same threads, in alternating runs.

    make bench-train

timm's `adamw` is torch's AdamW. Ranger is timm's `lookahead_radam`, which leaves out the gradient centralization that
ours does. Each of timm's is timed as it comes and with torch's multi-tensor kernels (`foreach`); the faster one counts.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result

PEERS = {"adamw": "adamw", "ranger": "lookahead_radam"}
BACKBONE = "efficientnet_lite0"
N_CLASSES = 1000
N_ROUNDS = 5
N_STEPS = 60
# The first steps allocate.
N_WARMUP = 5
THREADS = 2
# What the ratios of these are held to.
HELD, BOUND = ("adamw", "ranger"), 1.2


def time_peer(kind, foreach):
    """Prints the milliseconds of timm's steps."""
    import timm.optim
    import torch

    torch.set_num_threads(THREADS)
    model = timm.create_model(BACKBONE, num_classes=N_CLASSES)
    options = {"foreach": True} if foreach else {}
    optimizer = timm.optim.create_optimizer_v2(model, PEERS[kind], lr=1e-3, weight_decay=0.01, **options)
    grads = [param.detach() * 0.01 for param in model.parameters()]
    times = []
    for _ in range(N_WARMUP + N_STEPS):
        for param, grad in zip(model.parameters(), grads):
            param.grad = grad.clone()
        began = time.perf_counter()
        optimizer.step()
        times.append((time.perf_counter() - began) * 1e3)
    print(json.dumps(times[N_WARMUP:]))


def times(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    ours = sys.argv[1]
    rows = []
    for kind, name in PEERS.items():
        sides = {
            "ours": [ours, BACKBONE, str(N_CLASSES), kind, str(THREADS), str(N_WARMUP), str(N_STEPS)],
            f"timm {name}": [sys.executable, __file__, "--peer", kind],
            f"timm {name}, foreach": [sys.executable, __file__, "--peer-foreach", kind],
        }
        taken = {side: [] for side in sides}
        for _ in range(N_ROUNDS):
            for side, command in sides.items():
                taken[side] += times(command)
        our_times = taken.pop("ours")
        best = min(taken, key=lambda side: statistics.median(taken[side]))
        rows.append(result.row(f"{kind} step", "ms", our_times, taken[best], best))
    result.save("optim_step", rows)
    slow = [row["what"] for row in rows if row["what"].split()[0] in HELD and row["ratio"] < BOUND]
    sys.exit(f"below {BOUND}: {', '.join(slow)}" if slow else 0)


if __name__ == "__main__":
    if sys.argv[1] in ("--peer", "--peer-foreach"):
        time_peer(sys.argv[2], foreach=sys.argv[1] == "--peer-foreach")
    else:
        main()
