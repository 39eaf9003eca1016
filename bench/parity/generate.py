"""Write the fixtures of `crates/train/tests/parity`: what PyTorch and timm compute.

    tools/setup.sh parity
    .cultivar/parity/bin/python bench/parity/generate.py --weights .cultivar/weights/efficientnet_lite0.safetensors

Every number the tests compare with comes from here; nothing is random.
"""

import argparse
import json
from pathlib import Path

import timm
import torch

import augment
import losses
import metrics
import models
import optimizers
import pointwise
import schedules
import scripted

FIXTURES = Path(__file__).resolve().parents[2] / "crates/train/tests/fixtures"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--weights", required=True, help="EfficientNet-Lite0 as tools/convert_weights.py writes it")
    arguments.add_argument("--out", type=Path, default=FIXTURES, help="folder to write into; default: the tests' own")
    options = arguments.parse_args()
    torch.use_deterministic_algorithms(True)
    options.out.mkdir(parents=True, exist_ok=True)
    fixtures = {
        "pretrained": models.pretrained(options.weights),
        "training_steps": models.training_steps(),
        "parameter_names": models.parameter_names(),
        "optimizers": optimizers.trajectories(),
        "average": optimizers.average(),
        "loss_scales": optimizers.loss_scales(),
        "schedules": schedules.factors(),
        "metrics": metrics.scores(),
        "losses": losses.of_classes(),
        "metric_losses": losses.of_embeddings(),
        "neighbours": losses.neighbours(),
        "activations": pointwise.activations(),
        "policies": augment.policies(),
        "scripted": scripted.write(options.out),
    }
    versions = {"torch": torch.__version__, "timm": timm.__version__}
    for name, fixture in fixtures.items():
        path = options.out / f"{name}.json"
        path.write_text(json.dumps({"made_with": versions, "cases": fixture}, separators=(",", ":")) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")
    augment.operations(options.out / "augment.safetensors")


if __name__ == "__main__":
    main()
