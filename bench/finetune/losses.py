"""The first 50 losses of a real fine-tuning run, beside a plain timm script's from the same weights and batches, in f64.

    python bench/finetune/losses.py RECORD.safetensors

RECORD is what `cargo run --example recorded_steps` wrote. The script below is what the libraries' own pages suggest:
timm's model, torch's SGD with Nesterov momentum and no decay on 1-d parameters, OneCycleLR, cross entropy with soft
targets. Not Adam: it divides gradients that are nothing but rounding by their own size. Prints rows of
`make parity` as JSON lines, and ends with 1 where the losses disagree.
"""

import json
import sys

import timm
import torch
from safetensors.torch import load_file

# Steps magnify rounding: about twofold each, from 1e-15.
BOUNDS = {10: 1e-11, 50: 1e-4}
SMOOTHING, PEAK_LR, WEIGHT_DECAY = 0.1, 1e-3, 1e-4


def soft(labels, n_classes):
    hot = torch.nn.functional.one_hot(labels, n_classes).double()
    return hot * (1 - SMOOTHING) + SMOOTHING / n_classes


def main():
    record = load_file(sys.argv[1])
    state = {name.removeprefix("model."): values for name, values in record.items() if name.startswith("model.")}
    n_classes = len(state["classifier.bias"])
    wanted = record["losses"].tolist()
    model = timm.create_model("efficientnet_lite0", num_classes=n_classes, act_layer="mish").double()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=PEAK_LR, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=PEAK_LR, total_steps=len(wanted))
    model.train()
    losses = []
    for step, share in enumerate(record["lambda"].tolist()):
        labels, others = record[f"labels.{step}"], record[f"mixed.{step}"]
        targets = share * soft(labels, n_classes) + (1 - share) * soft(others, n_classes)
        loss = torch.nn.functional.cross_entropy(model(record[f"images.{step}"].double()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    errors = [abs(ours - theirs) / abs(theirs) for ours, theirs in zip(wanted, losses)]
    holds = True
    for n, bound in BOUNDS.items():
        error = max(errors[:n])
        row = {"family": "training", "what": f"first {n} losses of fine-tuning on open-emoji, f64", "n": n, "error": error}
        print(json.dumps(row | {"absolute": 0.0, "relative": bound, "holds": error <= bound}))
        holds = holds and error <= bound
    print(f"losses from {losses[0]:.3f} to {losses[-1]:.3f}", file=sys.stderr)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
