//! Which training images are seen, and in which order.

use std::collections::BTreeMap;

use cultivar_spec::Sha256Digest;
use cultivar_spec::manifest::{Manifest, Split};
use cultivar_spec::trial::{Data, TrainOn};
use rand::seq::SliceRandom;

use crate::rng::{Stream, stream};

/// Indices into the manifest of the images that train: the train split (and validation for a refit),
/// or per class the share of its groups that `train_fraction` asks for, whole groups in the order of
/// their hashes, at least one a class. A larger fraction contains every smaller one.
pub(crate) fn training_subset(manifest: &Manifest, data: &Data) -> Vec<i64> {
    let mut candidates = manifest.indices(Split::Train);
    if data.train_on == TrainOn::TrainVal {
        candidates.extend(manifest.indices(Split::Val));
        candidates.sort_unstable();
    }
    if data.train_fraction >= 1.0 {
        return candidates.into_iter().map(|idx| idx as i64).collect();
    }
    let mut groups: BTreeMap<u32, BTreeMap<Sha256Digest, Vec<i64>>> = BTreeMap::new();
    for idx in candidates {
        let image = &manifest.images[idx];
        let group = Sha256Digest::of(image.group().as_bytes());
        groups
            .entry(image.label)
            .or_default()
            .entry(group)
            .or_default()
            .push(idx as i64);
    }
    let mut kept = Vec::new();
    for groups in groups.into_values() {
        let n_kept = (groups.len() as f64 * data.train_fraction).ceil() as usize;
        kept.extend(groups.into_values().take(n_kept.max(1)).flatten());
    }
    kept.sort_unstable();
    kept
}

/// `indices` in the order of one epoch.
pub(crate) fn epoch_order(indices: &[i64], seed: u64, epoch: u64) -> Vec<i64> {
    let mut order = indices.to_vec();
    order.shuffle(&mut stream(seed, epoch, Stream::Shuffle));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use cultivar_spec::manifest::ImageEntry;

    fn manifest() -> Manifest {
        let images = (0..60_u32).map(|idx| ImageEntry {
            sha256: Sha256Digest::of(&idx.to_le_bytes()),
            label: idx % 2,
            split: Split::Train,
            group: Some(format!("g{}", idx / 6 * 2 + idx % 2)),
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

    fn subset(fraction: f64) -> Vec<i64> {
        training_subset(
            &manifest(),
            &Data {
                train_fraction: fraction,
                ..Data::default()
            },
        )
    }

    #[test]
    fn a_fraction_keeps_groups_whole_and_classes_even() {
        let manifest = manifest();
        let half = subset(0.5);
        assert_eq!(half.len(), 30);
        for label in 0..2 {
            assert_eq!(
                half.iter()
                    .filter(|&&idx| manifest.images[idx as usize].label == label)
                    .count(),
                15
            );
        }
        for group in half
            .iter()
            .map(|&idx| manifest.images[idx as usize].group())
        {
            assert_eq!(
                half.iter()
                    .filter(|&&idx| manifest.images[idx as usize].group() == group)
                    .count(),
                3
            );
        }
        assert!(
            subset(0.2).iter().all(|idx| half.contains(idx)),
            "fractions nest"
        );
        assert_eq!(subset(0.001).len(), 6, "every class keeps a group");
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
}
