//! The backbones a trainer can build, by timm's names, and the checkpoints that timm publishes for them.
//!
//! Here, and not beside the models, because the server refuses an unknown name without libtorch.

mod checkpoints;

use crate::trial::Interpolation;

/// What is known of a backbone before it is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackboneInfo {
    /// timm's model name.
    pub name: &'static str,
    /// Channels of the pooled feature.
    pub n_features: u32,
    /// Parameters in millions, with ImageNet's 1000-class head.
    pub params_m: f64,
    /// Resolution of timm's default checkpoint.
    pub resolution: u32,
    pub family: Family,
}

/// What the members of a family share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// Native activation.
    pub activation: &'static str,
    /// It normalises by batch statistics.
    pub has_batch_norm: bool,
    /// The side of a patch in pixels, of which image sides must be multiples; 1: any side will do.
    pub patch: u32,
}

const fn convolutional(activation: &'static str) -> Family {
    Family {
        activation,
        has_batch_norm: true,
        patch: 1,
    }
}

const EFFICIENTNET: Family = convolutional("swish");
const LITE: Family = convolutional("relu6");
const RESNET: Family = convolutional("relu");
const CONVNEXT: Family = Family {
    activation: "gelu",
    has_batch_norm: false,
    patch: 1,
};
const VIT_16: Family = Family {
    patch: 16,
    ..CONVNEXT
};
const VIT_14: Family = Family {
    patch: 14,
    ..CONVNEXT
};

const fn row(
    name: &'static str,
    n_features: u32,
    params_m: f64,
    resolution: u32,
    family: Family,
) -> BackboneInfo {
    BackboneInfo {
        name,
        n_features,
        params_m,
        resolution,
        family,
    }
}

/// Every backbone, in the order the documentation lists them.
pub const BACKBONES: &[BackboneInfo] = &[
    row("efficientnet_b0", 1280, 5.29, 224, EFFICIENTNET),
    row("efficientnet_b1", 1280, 7.79, 240, EFFICIENTNET),
    row("efficientnet_b2", 1408, 9.11, 256, EFFICIENTNET),
    row("efficientnet_b3", 1536, 12.23, 288, EFFICIENTNET),
    row("efficientnet_b4", 1792, 19.34, 320, EFFICIENTNET),
    row("efficientnet_b5", 2048, 30.39, 448, EFFICIENTNET),
    row("efficientnet_b6", 2304, 43.04, 528, EFFICIENTNET),
    row("efficientnet_b7", 2560, 66.35, 600, EFFICIENTNET),
    row("tf_efficientnet_b0", 1280, 5.29, 224, EFFICIENTNET),
    row("tf_efficientnet_b1", 1280, 7.79, 240, EFFICIENTNET),
    row("tf_efficientnet_b2", 1408, 9.11, 260, EFFICIENTNET),
    row("tf_efficientnet_b3", 1536, 12.23, 300, EFFICIENTNET),
    row("tf_efficientnet_b4", 1792, 19.34, 380, EFFICIENTNET),
    row("tf_efficientnet_b5", 2048, 30.39, 456, EFFICIENTNET),
    row("tf_efficientnet_b6", 2304, 43.04, 528, EFFICIENTNET),
    row("tf_efficientnet_b7", 2560, 66.35, 600, EFFICIENTNET),
    row("tf_efficientnet_l2", 5504, 480.31, 475, EFFICIENTNET),
    row("efficientnet_lite0", 1280, 4.65, 224, LITE),
    row("efficientnet_lite1", 1280, 5.42, 240, LITE),
    row("efficientnet_lite2", 1280, 6.09, 260, LITE),
    row("efficientnet_lite3", 1280, 8.20, 300, LITE),
    row("efficientnet_lite4", 1280, 13.01, 380, LITE),
    row("tf_efficientnet_lite0", 1280, 4.65, 224, LITE),
    row("tf_efficientnet_lite1", 1280, 5.42, 240, LITE),
    row("tf_efficientnet_lite2", 1280, 6.09, 260, LITE),
    row("tf_efficientnet_lite3", 1280, 8.20, 300, LITE),
    row("tf_efficientnet_lite4", 1280, 13.01, 380, LITE),
    row("efficientnetv2_s", 1280, 21.46, 288, EFFICIENTNET),
    row("efficientnetv2_m", 1280, 54.14, 320, EFFICIENTNET),
    row("efficientnetv2_l", 1280, 118.52, 384, EFFICIENTNET),
    row("tf_efficientnetv2_s", 1280, 21.46, 300, EFFICIENTNET),
    row("tf_efficientnetv2_m", 1280, 54.14, 384, EFFICIENTNET),
    row("tf_efficientnetv2_l", 1280, 118.52, 384, EFFICIENTNET),
    row("resnet18", 512, 11.69, 224, RESNET),
    row("resnet34", 512, 21.80, 224, RESNET),
    row("resnet50", 2048, 25.56, 224, RESNET),
    row("resnet101", 2048, 44.55, 224, RESNET),
    row("resnet152", 2048, 60.19, 224, RESNET),
    row("convnext_tiny", 768, 28.59, 224, CONVNEXT),
    row("convnext_small", 768, 50.22, 224, CONVNEXT),
    row("convnext_base", 1024, 88.59, 224, CONVNEXT),
    row("vit_tiny_patch16_224", 192, 5.72, 224, VIT_16),
    row("vit_small_patch16_224", 384, 22.05, 224, VIT_16),
    row("vit_base_patch16_224", 768, 86.57, 224, VIT_16),
    row("vit_small_patch14_dinov2", 384, 22.44, 518, VIT_14),
    row("vit_base_patch14_dinov2", 768, 87.35, 518, VIT_14),
];

/// The name of a backbone that no family has: the TorchScript module that `backbone.weights` names.
pub const TORCHSCRIPT: &str = "torchscript";

/// Looks a backbone up by name.
pub fn find(name: &str) -> Option<&'static BackboneInfo> {
    BACKBONES.iter().find(|backbone| backbone.name == name)
}

/// A checkpoint on the Hugging Face hub, in the repository `timm/NAME`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checkpoint {
    /// timm's name: the backbone's, a dot, a tag.
    pub name: &'static str,
    /// Of the pixels it was trained on, per channel in [0, 1].
    pub mean: [f64; 3],
    pub std: [f64; 3],
    /// How its images were resized.
    pub interpolation: Interpolation,
    /// Share of the resized image that its evaluation crop covers.
    pub crop_pct: f64,
    pub resolution: u32,
    /// SPDX identifier; empty where timm states none.
    pub licence: &'static str,
}

impl Checkpoint {
    /// The backbone it is for.
    pub fn backbone(&self) -> &'static str {
        self.name
            .split_once('.')
            .map_or(self.name, |(name, _)| name)
    }
}

/// Every known checkpoint; the first of a backbone is timm's default.
pub fn checkpoints() -> &'static [Checkpoint] {
    checkpoints::CHECKPOINTS
}

/// Looks a checkpoint up by timm's name; without a tag, timm's default for that backbone.
pub fn checkpoint(name: &str) -> Option<&'static Checkpoint> {
    let by_default = !name.contains('.');
    checkpoints().iter().find(|known| match by_default {
        true => known.backbone() == name,
        false => known.name == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_of_backbones_that_can_be_built() {
        for known in checkpoints() {
            assert!(find(known.backbone()).is_some(), "{}", known.name);
        }
    }

    #[test]
    fn a_name_without_a_tag_is_timms_default() {
        let name = |asked| checkpoint(asked).map(|known| known.name);
        assert_eq!(name("resnet50"), Some("resnet50.a1_in1k"));
        assert_eq!(name("resnet50.tv_in1k"), Some("resnet50.tv_in1k"));
        assert_eq!(
            name("tf_efficientnet_l2"),
            Some("tf_efficientnet_l2.ns_jft_in1k_475")
        );
        assert_eq!(name("efficientnet_b7"), None, "timm has no weights for it");
        assert_eq!(name("resnet50.no_such_tag"), None);
    }
}
