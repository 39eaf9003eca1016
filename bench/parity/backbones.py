"""The tables of `crates/spec/src/backbones` as timm knows them.

    python bench/parity/backbones.py checkpoints > crates/spec/src/backbones/checkpoints.rs
    python bench/parity/backbones.py members        # rows to compare crates/spec/src/backbones.rs with

Downloads nothing: everything is in timm's own tables.
"""

import sys

import timm
import torch
from timm.models._registry import _model_with_tags

MEMBERS = [
    *(f"efficientnet_b{idx}" for idx in range(8)),
    *(f"tf_efficientnet_b{idx}" for idx in range(8)),
    "tf_efficientnet_l2",
    *(f"efficientnet_lite{idx}" for idx in range(5)),
    *(f"tf_efficientnet_lite{idx}" for idx in range(5)),
    *(f"{prefix}efficientnetv2_{size}" for prefix in ("", "tf_") for size in "sml"),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"convnext_{size}" for size in ("tiny", "small", "base")),
    *(f"vit_{size}_patch16_224" for size in ("tiny", "small", "base")),
    *(f"vit_{size}_patch14_dinov2" for size in ("small", "base")),
]
# Repositories behind a licence that has to be accepted with an account.
GATED = ("dinov3_", "eupe_")


def skeleton(name, **kwargs):
    """A model whose tensors have shapes only."""
    with torch.device("meta"):
        return timm.create_model(name, **kwargs)


def members():
    for name in MEMBERS:
        model = skeleton(name, num_classes=1000)
        config = timm.get_pretrained_cfg(name)
        params_m = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        print(f'    ("{name}", {model.num_features}, {params_m:.2f}, {config.input_size[1]}),')


def checkpoints():
    print(
        """//! The input convention of every checkpoint that timm publishes for a backbone of ours.
//!
//! Printed by `bench/parity/backbones.py` from timm's own table; the first row of a backbone is timm's
//! default.

use super::Checkpoint;
use crate::trial::Interpolation::{self, Bicubic, Bilinear};

const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const INCEPTION: ([f64; 3], [f64; 3]) = ([0.5; 3], [0.5; 3]);
const CLIP: ([f64; 3], [f64; 3]) = (
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.26130258, 0.27577711],
);

const fn row(
    name: &'static str,
    (mean, std): ([f64; 3], [f64; 3]),
    interpolation: Interpolation,
    crop_pct: f64,
    resolution: u32,
    licence: &'static str,
) -> Checkpoint {
    Checkpoint {
        name,
        mean,
        std,
        interpolation,
        crop_pct,
        resolution,
        licence,
    }
}

pub(super) const CHECKPOINTS: &[Checkpoint] = &["""
    )
    conventions = {
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "IMAGENET",
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "INCEPTION",
        ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): "CLIP",
    }
    for member in MEMBERS:
        default = timm.get_pretrained_cfg(member).tag
        tags = sorted(_model_with_tags[member], key=lambda tag: tag != f"{member}.{default}")
        for tag in tags:
            config = timm.get_pretrained_cfg(tag)
            if not config.hf_hub_id or tag.split(".")[1].startswith(GATED):
                continue
            assert config.hf_hub_id == f"timm/{tag}", config
            convention = conventions[tuple(config.mean), tuple(config.std)]
            print(
                f'    row("{tag}", {convention}, {config.interpolation.title()}, {config.crop_pct}, '
                f'{config.input_size[1]}, "{config.license or ""}"),'
            )
    print("];")


if __name__ == "__main__":
    {"members": members, "checkpoints": checkpoints}[sys.argv[1]]()
