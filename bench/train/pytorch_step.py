"""Seconds of a training step of timm's model in PyTorch eager: forward, backward, optimizer.

    python bench/train/pytorch_step.py BACKBONE SIDE_PX BATCH THREADS

As PyTorch's performance guide advises on a CPU: channels-last model and images, fused AdamW, gradients set to none.
Prints one JSON line, as `cargo run --example step_time` does.
"""

import json
import statistics
import sys
import time

import timm
import torch

N_CLASSES = 57
N_WARMUP = 3
N_STEPS = 12


def main():
    backbone, side, batch, threads = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = timm.create_model(backbone, num_classes=N_CLASSES).to(memory_format=torch.channels_last).train()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    images = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % N_CLASSES
    gradients_s, step_s = [], []
    for step in range(N_WARMUP + N_STEPS):
        start = time.perf_counter()
        loss = loss_of(model(images), labels)
        loss.backward()
        loss.item()
        between = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        end = time.perf_counter()
        if step >= N_WARMUP:
            gradients_s.append(between - start)
            step_s.append(end - start)
    print(json.dumps({"step_s": statistics.median(step_s), "gradients_s": statistics.median(gradients_s)}))


if __name__ == "__main__":
    main()
