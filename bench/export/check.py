"""Compares an exported model's predictions, made by timm (or, of TorchScript, by PyTorch) alone, with Cultivar's own.

    cultivar export TRIAL --out model.safetensors          (or model.safetensors of `cultivar-worker train`)
    cultivar-worker predict model.safetensors FOLDER --top 2 --out ours.csv
    python bench/export/check.py model.safetensors FOLDER ours.csv      (or model.pt, with model.pt.json beside it)

timm reads the original images through its own transform; Cultivar through its own decoder, resize and network. The
share of images whose predicted class changes is to be at most 0.3%.

    python bench/export/check.py --enlarge FROM TO [--factor 6]

makes a folder of large JPEGs of one of small images (upscaled by Lanczos, quality 92), since that is where the two
ways differ.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

BOUND = 0.003


def load(path):
    import timm
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    if path.endswith(".pt"):
        meta = json.loads(Path(f"{path}.json").read_text())
        model = torch.jit.load(path).eval()
    else:
        with safe_open(path, "pt") as file:
            meta = file.metadata()
        model = timm.create_model(meta["architecture"], **json.loads(meta["model_args"])).eval()
        model.load_state_dict(load_file(path))
    classes = json.loads(meta["classes"])
    transform = timm.data.create_transform(**json.loads(meta["preprocessing"]))
    return model, transform, classes


def compare(options):
    import torch
    from PIL import Image

    torch.set_num_threads(options.threads)
    model, transform, classes = load(options.model)
    with open(options.ours, newline="") as file:
        ours = {row["file"]: row for row in csv.DictReader(file)}
    changed, largest_gap, narrow = [], 0.0, 0
    names = sorted(ours)
    for start in range(0, len(names), 64):
        batch = names[start : start + 64]
        images = [Image.open(Path(options.folder) / name) for name in batch]
        with torch.inference_mode():
            logits = model(torch.stack([transform(image.convert("RGB")) for image in images]))
        for name, row in zip(batch, logits.softmax(1)):
            theirs, our = classes[int(row.argmax())], ours[name]
            gap = abs(float(row[classes.index(our["class_1"])]) - float(our["probability_1"]))
            largest_gap = max(largest_gap, gap)
            if theirs != our["class_1"]:
                changed.append(name)
                narrow += float(our["probability_1"]) - float(our["probability_2"]) < 0.05
    share = len(changed) / len(names)
    verdict = "ok" if share <= BOUND else "FAILED"
    print(f"{len(names)} images, {len(changed)} predictions changed ({share:.3%}; bound {BOUND:.1%}): {verdict}")
    print(f"{narrow} of those had two classes within 0.05; largest change of a probability {largest_gap:.3f}")
    for name in changed[:10]:
        print(f"  {name}")
    return share <= BOUND


def enlarge(source, target, factor):
    from PIL import Image

    n = 0
    for path in sorted(Path(source).rglob("*")):
        if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp"}:
            continue
        image = Image.open(path).convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
        image = image.resize([side * factor for side in image.size], Image.LANCZOS)
        out = (Path(target) / path.relative_to(source)).with_suffix(".jpg")
        out.parent.mkdir(parents=True, exist_ok=True)
        image.save(out, quality=92)
        n += 1
    print(f"{n} images, {factor} times as large, in {target}")
    return n > 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--enlarge", nargs=2, metavar=("FROM", "TO"))
    arguments.add_argument("--factor", type=int, default=6)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("model", nargs="?")
    arguments.add_argument("folder", nargs="?")
    arguments.add_argument("ours", nargs="?")
    options = arguments.parse_args()
    if options.enlarge:
        return enlarge(*options.enlarge, options.factor)
    if not options.ours:
        arguments.error("want MODEL FOLDER OURS.csv, or --enlarge FROM TO")
    return compare(options)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
