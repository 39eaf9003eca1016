"""Training steps of Cultivar beside PyTorch eager: same models, images, threads and libtorch, in alternating runs.

    make bench-train
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import result

# (backbone, side in pixels, batch)
CASES = [
    ("efficientnet_lite0", 96, 64),
    ("efficientnet_lite0", 160, 32),
    ("efficientnet_lite0", 224, 16),
    ("efficientnet_b0", 96, 32),
    ("efficientnet_b0", 224, 16),
    ("resnet18", 96, 64),
    ("resnet18", 224, 16),
    ("resnet50", 96, 32),
    ("resnet50", 224, 8),
]
N_ROUNDS = 3
THREADS = 2
# What the ratios are held to.
MEAN, WORST = 1.0, 0.97


def seconds(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return json.loads(done.stdout)["step_s"]


def main():
    step_time = sys.argv[1]
    rows = []
    for backbone, side, batch in CASES:
        arguments = [backbone, str(side), str(batch), str(THREADS)]
        ours, peer = [], []
        for _ in range(N_ROUNDS):
            ours.append(seconds([step_time, *arguments]))
            peer.append(seconds([sys.executable, HERE / "pytorch_step.py", *arguments]))
        rows.append(result.row(f"{backbone}, {side} px, batch {batch}", "s a step", ours, peer, "PyTorch eager, channels-last"))
        print(f"{rows[-1]['what']}: {rows[-1]['ratio']:.2f}", file=sys.stderr)
    ratios = [row["ratio"] for row in rows]
    result.save("train", rows)
    mean, worst = result.geometric_mean(ratios), min(ratios)
    print(f"geometric mean {mean:.3f} (bound {MEAN}), worst {worst:.3f} (bound {WORST})")
    sys.exit(0 if mean >= MEAN and worst >= WORST else 1)


if __name__ == "__main__":
    main()
