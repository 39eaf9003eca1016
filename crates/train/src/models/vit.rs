//! The vision transformer: Dosovitskiy et al. 2020, <https://arxiv.org/abs/2010.11929>. A new member is a
//! new row.
//!
//! Patches become tokens, a class token is put in front, positions are added, and blocks of
//! self-attention and a perceptron follow, each normalised first: x + branch(norm(x)). The class token
//! after the last norm is the feature. The `dinov2` members (Oquab et al. 2023,
//! <https://arxiv.org/abs/2304.07193>) scale every branch by a learned vector.
//!
//! At another resolution than the checkpoint's, the position embeddings are resized, bicubic and
//! antialiased, in f32, as timm does under `dynamic_img_size=True`; they keep their own size and stay
//! trainable. Sides must be multiples of the patch. Reference: timm's `vit_*_patch16_224` and
//! `vit_*_patch14_dinov2`.

use cultivar_spec::trial::Backbone;
use tch::{Kind, Tensor};

use super::Trunk;
use super::head::{HeadShape, narrow};
use super::layers::{Conv, LayerNorm, Linear, Padding};
use super::maker::{ConvShape, Init, Maker};
use super::pass::{Pass, linear_rates};
use crate::activation::Nonlinearity;
use crate::params::{ParamKind, channels_last};

/// A member of the family.
struct Arch {
    name: &'static str,
    n_features: i64,
    n_heads: i64,
    patch: i64,
    /// Patches along a side of the checkpoint's images.
    grid: i64,
    /// What branches are scaled by at first, if they are.
    layer_scale: Option<f64>,
}

const fn patch16(name: &'static str, n_features: i64, n_heads: i64) -> Arch {
    Arch {
        name,
        n_features,
        n_heads,
        patch: 16,
        grid: 14,
        layer_scale: None,
    }
}

const fn dinov2(name: &'static str, n_features: i64, n_heads: i64) -> Arch {
    Arch {
        name,
        n_features,
        n_heads,
        patch: 14,
        grid: 37,
        layer_scale: Some(1e-5),
    }
}

const ARCHS: &[Arch] = &[
    patch16("vit_tiny_patch16_224", 192, 3),
    patch16("vit_small_patch16_224", 384, 6),
    patch16("vit_base_patch16_224", 768, 12),
    dinov2("vit_small_patch14_dinov2", 384, 6),
    dinov2("vit_base_patch14_dinov2", 768, 12),
];

const N_BLOCKS: usize = 12;
const EPS: f64 = 1e-6;
const INIT: Init = Init::Normal { std: 0.02 };

struct Vit {
    /// `[1, 1, F]`.
    class_token: Tensor,
    /// `[1, 1 + grid * grid, F]`: the class token's, then the patches', row by row.
    positions: Tensor,
    grid: i64,
    patches: Conv,
    blocks: Vec<Block>,
    norm: LayerNorm,
    activation: Nonlinearity,
    n_features: i64,
    drop_path_rates: Vec<f64>,
}

/// Builds the member of that name, if there is one.
pub(super) fn build(backbone: &Backbone, maker: &mut Maker<'_>) -> Option<Box<dyn Trunk>> {
    let arch = ARCHS.iter().find(|arch| arch.name == backbone.name)?;
    let activation = Nonlinearity::choose(backbone.activation, Nonlinearity::Gelu);
    let n = arch.n_features;
    let embedding = ParamKind::Embedding;
    let class_token = maker.param(
        "cls_token",
        embedding,
        &[1, 1, n],
        Init::Normal { std: 1e-6 },
    );
    let n_tokens = 1 + arch.grid * arch.grid;
    let positions = maker.param("pos_embed", embedding, &[1, n_tokens, n], INIT);
    let shape = ConvShape::dense(3, n, arch.patch, arch.patch).padded(Padding::None);
    let patches = maker.conv("patch_embed.proj", shape, true, INIT);
    let blocks = (0..N_BLOCKS)
        .map(|idx| {
            maker.deeper();
            Block::new(
                arch,
                activation,
                &mut maker.within(&format!("blocks.{idx}")),
            )
        })
        .collect();
    let norm = maker.layer_norm("norm", n, EPS);
    maker.deeper();
    // Attention and perceptron of a block are dropped independently, at the block's rate.
    let rates = linear_rates(backbone.drop_path, N_BLOCKS);
    Some(Box::new(Vit {
        class_token,
        positions,
        grid: arch.grid,
        patches,
        blocks,
        norm,
        activation,
        n_features: n,
        drop_path_rates: rates.into_iter().flat_map(|rate| [rate, rate]).collect(),
    }))
}

impl Vit {
    /// The position embeddings of `rows` by `columns` patches: `[1, 1 + rows * columns, F]`.
    fn positions(&self, rows: i64, columns: i64) -> Tensor {
        if (rows, columns) == (self.grid, self.grid) {
            return self.positions.shallow_clone();
        }
        let kind = self.positions.kind();
        let patches = self
            .positions
            .narrow(1, 1, self.grid * self.grid)
            .to_kind(Kind::Float)
            .view([1, self.grid, self.grid, self.n_features])
            .permute([0, 3, 1, 2])
            .internal_upsample_bicubic2d_aa([rows, columns], false, None::<f64>, None::<f64>)
            .permute([0, 2, 3, 1])
            .reshape([1, rows * columns, self.n_features])
            .to_kind(kind);
        Tensor::cat(&[self.positions.narrow(1, 0, 1), patches], 1)
    }
}

impl Trunk for Vit {
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor {
        let patches = self.patches.forward(&channels_last(images));
        let size = patches.size();
        let tokens = patches.flatten(2, 3).transpose(1, 2);
        // By example and not by number, so that a trace fits any batch.
        let class_token = self.class_token.to_kind(tokens.kind());
        let class_token = class_token.expand_as(&tokens.narrow(1, 0, 1));
        let mut x = Tensor::cat(&[class_token, tokens], 1) + self.positions(size[2], size[3]);
        for (idx, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, pass, idx);
        }
        // The norm works token by token, and only the class token is looked at.
        self.norm.forward(&x.select(1, 0))
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &self.drop_path_rates
    }

    fn head(&self) -> HeadShape {
        HeadShape {
            name: "head",
            init: narrow,
            activation: self.activation,
        }
    }

    fn last_norm(&self) -> &str {
        "norm"
    }
}

struct Block {
    attention: Attention,
    perceptron: Perceptron,
}

impl Block {
    fn new(arch: &Arch, activation: Nonlinearity, maker: &mut Maker<'_>) -> Self {
        Self {
            attention: Attention::new(arch, maker),
            perceptron: Perceptron::new(arch, activation, maker),
        }
    }

    /// `x`: `[N, L, F]`, as is the result.
    fn forward(&self, x: &Tensor, pass: &Pass, idx: usize) -> Tensor {
        let x = x + pass.drop_path(self.attention.branch(x), 2 * idx);
        &x + pass.drop_path(self.perceptron.branch(&x), 2 * idx + 1)
    }
}

struct Attention {
    norm: LayerNorm,
    qkv: Linear,
    project: Linear,
    n_heads: i64,
    scale: Option<Tensor>,
}

impl Attention {
    fn new(arch: &Arch, maker: &mut Maker<'_>) -> Self {
        let n = arch.n_features;
        Self {
            norm: maker.layer_norm("norm1", n, EPS),
            qkv: maker.linear("attn.qkv", n, 3 * n, INIT),
            project: maker.linear("attn.proj", n, n, INIT),
            n_heads: arch.n_heads,
            scale: layer_scale("ls1.gamma", arch, maker),
        }
    }

    fn branch(&self, x: &Tensor) -> Tensor {
        let (_, n_tokens, n_features) = x.size3().expect("tokens have three dimensions");
        let n_per_head = n_features / self.n_heads;
        let qkv = self
            .qkv
            .forward(&self.norm.forward(x))
            .view([-1, n_tokens, 3, self.n_heads, n_per_head])
            .permute([2, 0, 3, 1, 4])
            .unbind(0);
        let mixed = Tensor::scaled_dot_product_attention(
            &qkv[0],
            &qkv[1],
            &qkv[2],
            None::<&Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        );
        let joined = mixed.transpose(1, 2).reshape([-1, n_tokens, n_features]);
        scaled(self.project.forward(&joined), &self.scale)
    }
}

struct Perceptron {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    activation: Nonlinearity,
    scale: Option<Tensor>,
}

impl Perceptron {
    fn new(arch: &Arch, activation: Nonlinearity, maker: &mut Maker<'_>) -> Self {
        let n = arch.n_features;
        Self {
            norm: maker.layer_norm("norm2", n, EPS),
            up: maker.linear("mlp.fc1", n, 4 * n, INIT),
            down: maker.linear("mlp.fc2", 4 * n, n, INIT),
            activation,
            scale: layer_scale("ls2.gamma", arch, maker),
        }
    }

    fn branch(&self, x: &Tensor) -> Tensor {
        let hidden = self
            .activation
            .apply(self.up.forward(&self.norm.forward(x)));
        scaled(self.down.forward(&hidden), &self.scale)
    }
}

fn layer_scale(name: &str, arch: &Arch, maker: &mut Maker<'_>) -> Option<Tensor> {
    let value = arch.layer_scale?;
    let size = [arch.n_features];
    Some(maker.param(name, ParamKind::Norm, &size, Init::Constant(value)))
}

fn scaled(branch: Tensor, scale: &Option<Tensor>) -> Tensor {
    match scale {
        Some(scale) => branch * scale,
        None => branch,
    }
}
