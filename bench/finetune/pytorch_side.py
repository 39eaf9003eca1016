"""Fine-tune timm's model on a Cultivar dataset with plain PyTorch: what a careful engineer would write.

    python bench/finetune/pytorch_side.py --manifest MANIFEST.json --data DATA.parquet ... --weights WEIGHTS.safetensors \\
        --mode full --epochs 4 --lr 1e-3 --seeds 0 1 2 ...

Images come from the dataset's Parquet files, decoded once; crops, flips and evaluation are torchvision's and timm's on
PIL images. AdamW with one cycle, no decay on 1-d parameters. Prints a JSON line a seed: validation accuracy and seconds.
On the GPU if there is one, in TF32 as Cultivar by default.
"""

import argparse
import io
import json
import random
import time

import numpy
import pandas
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms import v2

INTERPOLATION = v2.InterpolationMode.BICUBIC
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def images_of(paths):
    """RGB images on white, in the order of the manifest."""
    images = []
    for path in paths:
        for cell in pandas.read_parquet(path)["image"]:
            image = Image.open(io.BytesIO(cell["bytes"])).convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            images.append(Image.alpha_composite(white, image).convert("RGB"))
    return images


def transforms(options, config):
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(config["mean"], config["std"])]
    evaluation = [
        v2.Resize(int(options.resolution / config["crop_pct"]), INTERPOLATION),
        v2.CenterCrop(options.resolution),
    ]
    crop = v2.RandomResizedCrop(options.resolution, (0.35, 1.0), (0.75, 4 / 3), INTERPOLATION)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *finish]), v2.Compose([*evaluation, *finish])


def model_of(options, n_classes):
    model = timm.create_model(options.backbone, num_classes=n_classes)
    weights = {name: value for name, value in load_file(options.weights).items() if not name.startswith("classifier.")}
    missing = model.load_state_dict(weights, strict=False).missing_keys
    assert all(name.startswith("classifier.") or name.endswith("num_batches_tracked") for name in missing), missing
    return model.to(DEVICE).to(memory_format=torch.channels_last)


def stacked(images, transform):
    return torch.stack([transform(image) for image in images]).to(DEVICE).to(memory_format=torch.channels_last)


def logits_of(model, images, transform):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(stacked(images[at : at + 128], transform)) for at in range(0, len(images), 128)])


def features_of(model, images, transform):
    model.eval()
    with torch.no_grad():
        chunks = [images[at : at + 128] for at in range(0, len(images), 128)]
        return torch.cat([model.forward_head(model.forward_features(stacked(c, transform)), pre_logits=True) for c in chunks])


def grouped(parameters, weight_decay):
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]


def run(options, config, n_classes, train, val, seed):
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    augment, evaluate = transforms(options, config)
    model = model_of(options, n_classes)
    images, labels = train
    head_only = options.mode == "head_only"
    if head_only:
        x_train, x_val = (features_of(model, split[0], evaluate) for split in (train, val))
        trained = model.get_classifier()
    else:
        trained = model
    optimizer = torch.optim.AdamW(grouped(trained.parameters(), options.weight_decay), lr=options.lr)
    n_batches = -(-len(images) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=options.lr, total_steps=options.epochs * n_batches)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=options.smoothing)
    for _ in range(options.epochs):
        trained.train()
        for batch in torch.randperm(len(images)).split(options.batch):
            x = x_train[batch] if head_only else stacked([images[idx] for idx in batch], augment)
            loss = loss_of(trained(x), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        logits = trained(x_val) if head_only else logits_of(model, val[0], evaluate)
    return (logits.argmax(1) == val[1]).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--mode", choices=["full", "head_only"], default="full")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--resolution", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    manifest = json.load(open(options.manifest))
    images = images_of(options.data)
    assert len(images) == len(manifest["images"])

    def split(name):
        entries = [(image, entry["label"]) for image, entry in zip(images, manifest["images"]) if entry["split"] == name]
        return [image for image, _ in entries], torch.tensor([label for _, label in entries], device=DEVICE)

    config = timm.get_pretrained_cfg(options.backbone).to_dict()
    for seed in options.seeds:
        start = time.perf_counter()
        val_top1 = run(options, config, len(manifest["classes"]), split("train"), split("val"), seed)
        print(json.dumps({"seed": seed, "val_top1": val_top1, "seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
