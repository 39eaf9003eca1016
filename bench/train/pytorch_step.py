"""Seconds of a training step of timm's model in PyTorch eager: forward, backward, optimizer.

    python bench/train/pytorch_step.py BACKBONE SIDE_PX BATCH THREADS [PRECISION]

As PyTorch's performance guide advises: channels-last model and images, fused AdamW, gradients set to none; on a GPU
also cuDNN's benchmark mode, TF32 and, for bf16 and f16, autocast. On the GPU if there is one.
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
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def main():
    backbone, side, batch, threads = sys.argv[1], *map(int, sys.argv[2:5])
    precision = sys.argv[5] if len(sys.argv) > 5 else "auto"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision in ("auto", "tf32")
    torch.manual_seed(0)
    options = {"img_size": side} if backbone.startswith("vit") else {}
    model = timm.create_model(backbone, num_classes=N_CLASSES, **options)
    model = model.to(device).to(memory_format=torch.channels_last).train()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, fused=True)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    images = torch.randn(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) % N_CLASSES
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    gradients_s, step_s = [], []
    for step in range(N_WARMUP + N_STEPS):
        start = time.perf_counter()
        with torch.autocast(device, dtype=DTYPES.get(precision), enabled=precision in DTYPES):
            logits = model(images)
        loss = loss_of(logits.float(), labels)
        loss.backward()
        loss.item()
        between = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        wait()
        end = time.perf_counter()
        if step >= N_WARMUP:
            gradients_s.append(between - start)
            step_s.append(end - start)
    print(json.dumps({"step_s": statistics.median(step_s), "gradients_s": statistics.median(gradients_s)}))


if __name__ == "__main__":
    main()
