"""Backbones as timm computes them."""

import hashlib
import math

import safetensors.torch
import timm
import torch
import torch.nn.functional as F

from timm.layers import DropPath
from timm.models._manipulate import group_parameters

from backbones import MEMBERS, skeleton
from formula import images, projections, rounded, tensor, units


def pretrained(weights):
    """Logits of the converted ImageNet weights."""
    model = timm.create_model("efficientnet_lite0").eval()
    missing, unexpected = model.load_state_dict(safetensors.torch.load_file(weights), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    cases = []
    for side in (96, 97):
        with torch.no_grad():
            logits = model(images(side, 2, side))
        cases.append({"side": side, "logits": [rounded(row.tolist(), 8) for row in logits]})
    return cases


def tensor_names(model):
    return [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]


def fill(model):
    """Overwrites every tensor of a model by a formula of its index and shape."""
    state = model.state_dict()
    for idx, name in enumerate(tensor_names(model)):
        shape = state[name].shape
        field = name.rsplit(".", 1)[-1]
        if len(shape) > 1:
            bound = math.sqrt(6.0 / math.prod(shape[1:]))
            low, high = -bound, bound
        elif field in ("weight", "running_var"):
            low, high = 0.5, 1.5
        else:
            low, high = -0.1, 0.1
        state[name].copy_(tensor(idx, shape, low, high))


def calibrate(model, batch):
    """Gives BatchNorm the batch's statistics, then changes them by a formula. Statistics of nobody, or a channel that
    hardly varies in the batch, would blow up a deep network until its logits say nothing."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(batch)
    for norm in norms:
        norm.momentum = 0.1
    state = model.state_dict()
    for idx, name in enumerate(tensor_names(model)):
        shape = state[name].shape
        if name.endswith("running_mean"):
            variance = state[name.replace("running_mean", "running_var")]
            variance.clamp_(min=0.3 * float(variance.mean()))
            state[name].add_(tensor(500_000 + idx, shape, -0.05, 0.05) * variance.sqrt())
        elif name.endswith("running_var"):
            state[name].mul_(tensor(500_000 + idx, shape, 0.8, 1.25))


# Backbone, activation, number of images, and the image sides of its forward passes; the first is that of the
# training step.
STEPS = [
    ("efficientnet_lite0", "native", 8, (65, 64)),
    ("efficientnet_lite0", "mish", 8, (65,)),
    ("efficientnet_lite2", "native", 8, (65,)),
    ("efficientnet_b0", "native", 8, (65, 64)),
    ("efficientnet_b1", "gelu", 8, (64,)),
    ("tf_efficientnet_b0", "native", 8, (65, 64)),
    ("tf_efficientnet_b2", "hard_swish", 8, (64,)),
    ("tf_efficientnetv2_s", "native", 8, (65, 64)),
    ("efficientnetv2_s", "relu", 8, (64,)),
    ("resnet18", "native", 8, (65, 64)),
    ("resnet34", "leaky_relu", 8, (64,)),
    ("resnet50", "native", 8, (65, 64)),
    ("resnet18", "swish", 8, (65,)),
    ("convnext_tiny", "native", 2, (65, 64)),
    ("convnext_tiny", "mish", 2, (64,)),
    ("vit_tiny_patch16_224", "native", 2, (224, 96)),
    ("vit_tiny_patch16_224", "swish", 2, (64,)),
    ("vit_small_patch14_dinov2", "native", 2, (70, 56)),
]
N_CLASSES = 7
# How far timm's own f32 gradients may be from its f64 ones (of the norm) for f32 gradients to be compared at all. Where
# the nonlinearity has a kink, rounding decides which side of it a few activations are on, and gradients move by more.
SMOOTH = 3e-5


def training_step(name, activation, n_images, sides, kind):
    """With formula weights and nothing dropped: logits at each size, then a training step."""
    kwargs = {} if activation == "native" else {"act_layer": activation}
    if name.startswith("vit"):
        kwargs["dynamic_img_size"] = True
    model = timm.create_model(name, num_classes=N_CLASSES, **kwargs)
    fill(model)
    model = model.to(kind)
    batches = [images(9, n_images, side).to(kind) for side in sides]
    labels = torch.tensor([int(unit * N_CLASSES) for unit in units(77, n_images)])
    calibrate(model, batches[0])
    with torch.no_grad():
        eval_logits = [model.eval()(batch)[:2] for batch in batches]
    loss = F.cross_entropy(model.train()(batches[0]), labels, label_smoothing=0.1)
    loss.backward()
    return model, labels, eval_logits, loss


def training_steps():
    """What timm computes in f64."""
    cases = []
    for name, activation, n_images, sides in STEPS:
        model, labels, eval_logits, loss = training_step(name, activation, n_images, sides, torch.float64)
        single, _, _, _ = training_step(name, activation, n_images, sides, torch.float32)
        state, params = model.state_dict(), dict(model.named_parameters())
        total = math.sqrt(sum(float(param.grad.norm()) ** 2 for param in params.values()))
        f32_error = max(
            float((ours.grad - params[name].grad).norm() / (params[name].grad.norm() + 0.01 * total))
            for name, ours in single.double().named_parameters()
        )
        names = list(enumerate(tensor_names(model)))
        digest = lambda idx, values: rounded([float(values.norm()), *projections(idx, values, 1)], 11)
        print(f"{name} {activation}: f32 gradients off by {f32_error:.1e}")
        cases.append(
            {
                "backbone": name,
                "activation": activation,
                "sides": sides,
                "labels": labels.tolist(),
                "eval_logits": [rounded(logits.flatten().tolist(), 11) for logits in eval_logits],
                "loss": loss.item(),
                "is_smooth": f32_error <= SMOOTH,
                # Norm and signed sum of each, in the order of the state dict.
                "grads": [digest(idx, params[name].grad) for idx, name in names if name in params],
                "buffers": [digest(idx, state[name]) for idx, name in names if name not in params],
            }
        )
    return cases


def parameter_names():
    """Of every backbone: names and shapes of its tensors, and the layer that timm's layer-wise learning
    rates count each parameter to; as hashes, since the lists are long."""
    cases = []
    for member in MEMBERS:
        model = skeleton(member, num_classes=1000, drop_path_rate=0.3)
        state = model.state_dict()
        layers = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
        names = tensor_names(model)
        params = [name for name, _ in model.named_parameters()]
        sha256 = lambda lines: hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        cases.append(
            {
                "backbone": member,
                "n_tensors": len(names),
                "n_scalars": sum(parameter.numel() for parameter in model.parameters()),
                "n_features": model.num_features,
                "tensors": sha256(f"{name} {list(state[name].shape)}" for name in names),
                "depths": sha256(f"{name} {layers[name]}" for name in params),
                # In the order of the residual branches; those that drop nothing are not there.
                "drop_path": [round(module.drop_prob, 7) for module in model.modules() if isinstance(module, DropPath)],
            }
        )
    return cases
