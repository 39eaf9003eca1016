//! One tensor for all trainable values, one for all their gradients, and one for all buffers.

use tch::{Device, Kind, Tensor, no_grad};

use super::{Buffer, Group, Param, ParamKind};

/// Runs of the flat buffers start at multiples of this many scalars (64 bytes), as vectorised
/// kernels like it.
const ALIGN: i64 = 16;

/// The trainable parameters of a model as two flat tensors, and its buffers as a third.
///
/// Parameters are ordered so that those an optimizer treats alike are neighbours: by group, then by
/// their scale of the learning rate, decayed before undecayed, then by row length. The order depends on the architecture only.
pub struct Flat {
    /// `[n]`, of the parameters' kind. Every parameter is a view of a part. The gaps that align runs hold zeros.
    pub values: Tensor,
    /// `[n]`, of the same kind and in the same order. Zero in the gaps.
    pub grads: Tensor,
    /// `[m]`: the model's buffers, one after another.
    pub buffers: Tensor,
    segments: Vec<Segment>,
}

/// A run of the flat buffers whose parameters are treated alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// First scalar.
    pub start: i64,
    /// Number of scalars.
    pub len: i64,
    pub group: Group,
    /// Learning rate over the group's.
    pub lr_scale: f64,
    /// Whether weight decay applies: not to biases and other 1-d parameters.
    pub decays: bool,
    /// Scalars per output channel; the run is a row-major `[len / row_len, row_len]` matrix.
    /// 1 for parameters of one dimension.
    pub row_len: i64,
}

impl Segment {
    /// This run of a flat tensor, as a view.
    pub fn of(&self, flat: &Tensor) -> Tensor {
        flat.narrow(0, self.start, self.len)
    }
}

impl Flat {
    /// Moves `params` and `buffers` into flat tensors. The gradients become zero.
    pub(super) fn new(mut params: Vec<&mut Param>, buffers: &mut [Buffer], device: Device) -> Self {
        params.sort_by_key(|param| key(param));
        let mut segments: Vec<Segment> = Vec::new();
        let mut starts = Vec::with_capacity(params.len());
        let mut n = 0;
        for param in &params {
            let (group, _, undecayed, row_len) = key(param);
            let len = param.tensor.numel() as i64;
            let lr_scale = param.lr_scale;
            let decays = !undecayed;
            match segments.last_mut() {
                Some(last)
                    if (last.group, last.lr_scale, last.decays, last.row_len)
                        == (group, lr_scale, decays, row_len) =>
                {
                    last.len += len;
                }
                _ => {
                    n = (n + ALIGN - 1) / ALIGN * ALIGN;
                    segments.push(Segment {
                        start: n,
                        len,
                        group,
                        lr_scale,
                        decays,
                        row_len,
                    });
                }
            }
            starts.push(n);
            n += len;
        }

        let kind = params
            .first()
            .map_or(Kind::Float, |param| param.tensor.kind());
        let values = Tensor::zeros([n], (kind, device));
        let grads = values.zeros_like();
        define_grads(&params);
        no_grad(|| {
            for (param, start) in params.iter_mut().zip(starts) {
                let view = |flat: &Tensor| view_as(flat, start, &param.tensor.size());
                view(&values).copy_(&param.tensor);
                let mut grad = param.tensor.grad();
                grad.set_data(&view(&grads));
                let value = view(&values);
                param.tensor.set_data(&value);
            }
        });
        Self {
            values,
            grads,
            buffers: join(buffers, device),
            segments,
        }
    }

    /// The runs, in the order of the buffers.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Runs merged over row lengths: all that weight decay and learning rates tell apart.
    pub fn rate_segments(&self) -> Vec<Segment> {
        let mut merged: Vec<Segment> = Vec::new();
        for segment in &self.segments {
            match merged.last_mut() {
                Some(last)
                    if (last.group, last.lr_scale, last.decays)
                        == (segment.group, segment.lr_scale, segment.decays) =>
                {
                    // The gap between the two holds zeros, which no update changes.
                    last.len = segment.start + segment.len - last.start;
                    last.row_len = 1;
                }
                _ => merged.push(segment.clone()),
            }
        }
        merged
    }
}

/// Bits of positive numbers are ordered as the numbers are.
fn key(param: &Param) -> (Group, u64, bool, i64) {
    let size = param.tensor.size();
    let decays = param.kind == ParamKind::Weight && size.len() > 1;
    let row_len = if size.len() > 1 {
        size[1..].iter().product()
    } else {
        1
    };
    (param.group, param.lr_scale.to_bits(), !decays, row_len)
}

/// Moves buffers into one tensor, each to an aligned part of it, and makes them views of their parts.
fn join(buffers: &mut [Buffer], device: Device) -> Tensor {
    let aligned = |buffer: &Buffer| (buffer.tensor.numel() as i64 + ALIGN - 1) / ALIGN * ALIGN;
    let n = buffers.iter().map(aligned).sum();
    let kind = buffers
        .first()
        .map_or(Kind::Float, |buffer| buffer.tensor.kind());
    let joined = Tensor::zeros([n], (kind, device));
    let mut start = 0;
    for buffer in buffers {
        let len = aligned(buffer);
        let mut part = view_as(&joined, start, &buffer.tensor.size());
        no_grad(|| {
            part.copy_(&buffer.tensor);
            buffer.tensor.set_data(&part);
        });
        start += len;
    }
    joined
}

/// A view of a part of `flat` in a parameter's shape; channels-last where there are four dimensions,
/// so that each output channel is one contiguous row either way.
fn view_as(flat: &Tensor, start: i64, size: &[i64]) -> Tensor {
    let part = flat.narrow(0, start, size.iter().product());
    match *size {
        [o, i, h, w] => part.view([o, h, w, i]).permute([0, 3, 1, 2]),
        _ => part.view(size),
    }
}

/// Makes every gradient exist. Autograd allocates one on first use and then accumulates into it; a
/// backward pass over the sum of everything is the way to get there from safe Rust.
fn define_grads(params: &[&mut Param]) {
    let sums: Vec<Tensor> = params
        .iter()
        .map(|param| param.tensor.sum(param.tensor.kind()))
        .collect();
    if let Some(first) = sums.first() {
        Tensor::stack(&sums, 0).sum(first.kind()).backward();
    }
}

#[cfg(test)]
mod tests {
    use super::super::ParamStore;
    use super::*;

    /// A store of a dense and a depthwise weight, a matrix, and 1-d parameters, with formula values.
    fn store() -> ParamStore {
        let mut store = ParamStore::new(Device::Cpu);
        let mut add = |name: &str, kind, group, shape: &[i64]| {
            let n: i64 = shape.iter().product();
            let values = Tensor::arange(n, (Kind::Float, Device::Cpu)).view(shape) + 1.0;
            let _ = store.add_param(name.into(), kind, group, 0, &values);
        };
        add(
            "stem.weight",
            ParamKind::Weight,
            Group::Backbone,
            &[4, 3, 3, 3],
        );
        add("norm.weight", ParamKind::Norm, Group::Backbone, &[5]);
        add(
            "depthwise.weight",
            ParamKind::Weight,
            Group::Backbone,
            &[4, 1, 3, 3],
        );
        add("head.weight", ParamKind::Weight, Group::Head, &[2, 4]);
        add("head.bias", ParamKind::Bias, Group::Head, &[2]);
        store
    }

    #[test]
    fn flattening_changes_no_value_and_keeps_channels_last() {
        let mut store = store();
        let before = store.named();
        store.flatten();
        for ((name, before), param) in before.iter().zip(store.params()) {
            assert_eq!(*before, param.tensor, "{name}");
        }
        let stem = &store.params()[0].tensor;
        assert_eq!(stem.stride(), [27, 1, 9, 3]);
        assert!(stem.is_leaf() && stem.requires_grad());
    }

    #[test]
    fn backward_passes_accumulate_into_the_flat_gradients() {
        let mut store = store();
        store.flatten();
        for _ in 0..2 {
            let squares: Vec<Tensor> = store
                .params()
                .iter()
                .map(|param| param.tensor.square().sum(Kind::Float))
                .collect();
            Tensor::stack(&squares, 0).sum(Kind::Float).backward();
        }
        let flat = store.flat().expect("it is flat");
        assert_eq!(flat.grads, &flat.values * 4.0);
        assert!(!flat.values.grad().defined());
    }

    #[test]
    fn a_change_of_the_flat_values_is_one_of_the_parameters() {
        let mut store = store();
        store.flatten();
        let flat = store.flat().expect("it is flat");
        let _ = flat.values.shallow_clone().fill_(3.0);
        for (name, values) in store.named() {
            assert_eq!(values, values.ones_like() * 3.0, "{name}");
        }
    }

    #[test]
    fn buffers_are_views_of_one_tensor_with_their_values_kept() {
        let mut store = store();
        let values =
            [[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]].map(|values| Tensor::from_slice(&values));
        let handles = values
            .each_ref()
            .map(|values| store.add_buffer("mean".into(), &values.copy()));
        store.flatten();
        assert_eq!((&handles[0], &handles[1]), (&values[0], &values[1]));
        let flat = store.flat().expect("it is flat");
        assert_eq!(flat.buffers.size(), [32]);
        let _ = flat.buffers.shallow_clone().g_add_scalar_(1.0);
        assert_eq!(handles[1], &values[1] + 1.0);
    }

    #[test]
    fn runs_are_aligned_and_told_apart_by_what_optimizers_see() {
        let mut store = store();
        store.flatten();
        let flat = store.flat().expect("it is flat");
        let seen: Vec<_> = flat
            .segments()
            .iter()
            .map(|run| (run.start, run.len, run.group, run.decays, run.row_len))
            .collect();
        assert_eq!(
            seen,
            [
                (0, 36, Group::Backbone, true, 9),
                (48, 108, Group::Backbone, true, 27),
                (160, 5, Group::Backbone, false, 1),
                (176, 8, Group::Head, true, 4),
                (192, 2, Group::Head, false, 1),
            ]
        );
        let rates: Vec<_> = flat
            .rate_segments()
            .iter()
            .map(|run| (run.start, run.len))
            .collect();
        assert_eq!(rates, [(0, 156), (160, 5), (176, 8), (192, 2)]);
    }

    #[test]
    fn layer_wise_rates_tell_runs_apart() {
        let mut store = ParamStore::new(Device::Cpu);
        for depth in 0..3 {
            let group = if depth == 2 {
                Group::Head
            } else {
                Group::Backbone
            };
            for (field, shape) in [("weight", vec![2, 3]), ("bias", vec![2])] {
                let values = Tensor::ones(&shape, (Kind::Float, Device::Cpu));
                let name = format!("{depth}.{field}");
                let _ = store.add_param(name, ParamKind::Weight, group, depth, &values);
            }
        }
        store.decay_rates(0.5);
        store.flatten();
        let runs = store.flat().expect("it is flat").rate_segments();
        let seen: Vec<_> = runs.iter().map(|run| (run.lr_scale, run.decays)).collect();
        let wanted = [0.25, 0.25, 0.5, 0.5, 1.0, 1.0].into_iter();
        let wanted: Vec<_> = wanted.zip([true, false].into_iter().cycle()).collect();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn what_is_trained_can_change() {
        let mut store = store();
        let before = store.named();
        store.flatten();
        store.train_only(|param| param.group == Group::Head);
        store.flatten();
        let flat = store.flat().expect("it is flat");
        let _ = flat.values.shallow_clone().g_add_scalar_(1.0);
        for ((name, before), param) in before.iter().zip(store.params()) {
            let is_head = param.group == Group::Head;
            assert_eq!(*before != param.tensor, is_head, "{name}");
            assert_eq!(param.tensor.requires_grad(), is_head, "{name}");
        }
        store.train_only(|_| true);
        store.flatten();
        let sums: Vec<Tensor> = store
            .params()
            .iter()
            .map(|param| param.tensor.sum(Kind::Float))
            .collect();
        Tensor::stack(&sums, 0).sum(Kind::Float).backward();
        for param in store.params() {
            assert_eq!(
                param.tensor.grad(),
                param.tensor.ones_like(),
                "{}",
                param.name
            );
        }
    }

    #[test]
    fn frozen_groups_stay_out() {
        let mut store = store();
        store.freeze(Group::Backbone);
        store.flatten();
        let flat = store.flat().expect("it is flat");
        assert!(flat.segments().iter().all(|run| run.group == Group::Head));
        assert!(!store.params()[0].tensor.requires_grad());
    }
}
