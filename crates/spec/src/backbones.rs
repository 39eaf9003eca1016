//! The backbones a trainer can build, by timm's names.
//!
//! Here, and not beside the models, because the server refuses an unknown name without libtorch.

/// What is known of a backbone before it is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackboneInfo {
    /// timm's model name.
    pub name: &'static str,
    /// Channels of the pooled feature.
    pub n_features: u32,
    /// Parameters in millions, with ImageNet's 1000-class head.
    pub params_m: f64,
    /// Resolution of the ImageNet checkpoint.
    pub resolution: u32,
    /// Native activation.
    pub activation: &'static str,
}

const fn lite(name: &'static str, params_m: f64, resolution: u32) -> BackboneInfo {
    BackboneInfo {
        name,
        n_features: 1280,
        params_m,
        resolution,
        activation: "relu6",
    }
}

/// Every backbone, in the order the documentation lists them.
pub const BACKBONES: &[BackboneInfo] = &[
    lite("efficientnet_lite0", 4.65, 224),
    lite("efficientnet_lite1", 5.42, 240),
    lite("efficientnet_lite2", 6.09, 260),
    lite("efficientnet_lite3", 8.20, 300),
    lite("efficientnet_lite4", 13.01, 380),
];

/// Looks a backbone up by name.
pub fn find(name: &str) -> Option<&'static BackboneInfo> {
    BACKBONES.iter().find(|backbone| backbone.name == name)
}
