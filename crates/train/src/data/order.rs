//! Which training images are seen, and in which order.

use std::collections::BTreeMap;

use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::trial::{Data, TrainOn};
use rand::seq::SliceRandom;

use crate::rng::{Stream, stream};

/// Indices into the manifest, ascending, of the images that train.
///
/// The train split (with the validation split for a refit), or the share of it that
/// `train_fraction` asks for: within each class, whole groups in the order of their hashes until the
/// class has its share of images, at least one group. A group belongs to the class of its first
/// image, so none is cut. A larger fraction contains every smaller one.
pub fn training_subset(manifest: &Manifest, data: &Data) -> Vec<i64> {
    let mut candidates = manifest.indices(Split::Train);
    if data.train_on == TrainOn::TrainVal {
        candidates.extend(manifest.indices(Split::Val));
        candidates.sort_unstable();
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for &idx in &candidates {
        let group = manifest.images[idx].group();
        groups.entry(group).or_default().push(idx);
    }
    let mut classes: BTreeMap<u32, Vec<(Sha256Digest, Vec<usize>)>> = BTreeMap::new();
    for (group, members) in groups {
        let label = manifest.images[members[0]].label;
        let hash = Sha256Digest::of(group.as_bytes());
        classes.entry(label).or_default().push((hash, members));
    }
    let mut kept = Vec::new();
    for mut groups in classes.into_values() {
        groups.sort();
        let n_images: usize = groups.iter().map(|(_, members)| members.len()).sum();
        let wanted = (n_images as f64 * data.train_fraction).ceil() as usize;
        let mut n_kept = 0;
        for (_, members) in groups {
            if n_kept >= wanted {
                break;
            }
            n_kept += members.len();
            kept.extend(members.into_iter().map(|idx| idx as i64));
        }
    }
    kept.sort_unstable();
    kept
}

/// `indices` in the order of one epoch.
pub fn epoch_order(indices: &[i64], seed: u64, epoch: u64) -> Vec<i64> {
    let mut order = indices.to_vec();
    order.shuffle(&mut stream(seed, epoch, Stream::Shuffle));
    order
}

/// Batches an epoch of `n_images` has. The last one may be smaller; one of a single image is left
/// out where `min_batch` is 2, unless it is the only one: training BatchNorm has no statistics of it.
pub fn n_batches(n_images: usize, batch_size: usize, min_batch: usize) -> usize {
    let (whole, rest) = (n_images / batch_size, n_images % batch_size);
    let last = rest >= min_batch || (rest > 0 && whole == 0);
    whole + usize::from(last)
}

#[cfg(test)]
mod tests {
    use cultivar_spec::manifest::ImageEntry;

    use super::*;

    /// Two classes of 30 images in groups of 3, and one group that lies in both.
    fn manifest() -> Manifest {
        let images = (0..60_u32).map(|idx| ImageEntry {
            sha256: Sha256Digest::of(&idx.to_le_bytes()),
            label: idx % 2,
            split: Split::Train,
            group: Some(if idx < 2 {
                "both".to_owned()
            } else {
                format!("g{}", idx / 6 * 2 + idx % 2)
            }),
        });
        Manifest {
            name: "m".into(),
            title: String::new(),
            classes: vec!["a".into(), "b".into()],
            images: images.collect(),
            files: Vec::new(),
            sources: Vec::new(),
            split_rule: String::new(),
        }
    }

    fn subset(train_fraction: f64) -> Vec<i64> {
        let data = Data {
            train_fraction,
            ..Data::default()
        };
        training_subset(&manifest(), &data)
    }

    #[test]
    fn a_fraction_keeps_groups_whole_and_classes_even() {
        let manifest = manifest();
        let members = |of: &str| -> Vec<i64> {
            (0..60)
                .filter(|&idx| manifest.images[idx as usize].group() == of)
                .collect()
        };
        for fraction in [0.001, 0.1, 0.25, 0.5, 0.9, 1.0] {
            let kept = subset(fraction);
            for &idx in &kept {
                let group = manifest.images[idx as usize].group();
                assert!(
                    members(&group).iter().all(|member| kept.contains(member)),
                    "{fraction}: {group} is cut"
                );
            }
            for label in 0..2 {
                let n = kept
                    .iter()
                    .filter(|&&idx| manifest.images[idx as usize].label == label)
                    .count() as f64;
                assert!(
                    n >= 1.0 && (n - 30.0 * fraction).abs() <= 3.0,
                    "{fraction}: {n}"
                );
            }
            assert!(
                kept.iter().all(|idx| subset(1.0).contains(idx)),
                "{fraction} nests"
            );
        }
        assert!(subset(0.25).iter().all(|idx| subset(0.5).contains(idx)));
        assert_eq!(subset(1.0), (0..60).collect::<Vec<_>>());
    }

    #[test]
    fn an_epoch_sees_every_image_once_and_depends_on_seed_and_epoch() {
        let indices: Vec<i64> = (0..100).collect();
        let order = epoch_order(&indices, 1, 2);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, indices);
        assert_eq!(order, epoch_order(&indices, 1, 2));
        assert_ne!(order, epoch_order(&indices, 1, 3));
        assert_ne!(order, epoch_order(&indices, 2, 2));
    }

    #[test]
    fn a_last_batch_of_one_is_left_out_under_batch_norm() {
        assert_eq!(n_batches(64, 32, 2), 2);
        assert_eq!(n_batches(66, 32, 2), 3);
        assert_eq!(n_batches(65, 32, 2), 2);
        assert_eq!(n_batches(65, 32, 1), 3);
        assert_eq!(n_batches(1, 32, 2), 1);
    }
}
