//! The rule by which images are held out: by group, per class, decided by hashes.
//!
//! Within each class the groups are sorted by the SHA-256 of their name, and the first fifth
//! (rounded up) is held out. A group held out for one class is held out everywhere. The rule looks at
//! no order and no clock, so the same images always give the same split, and adding images moves few others.

use std::collections::{BTreeMap, BTreeSet};

use cultivar_spec::Sha256Digest;

/// One of this many groups of a class is held out, rounded up.
const ONE_IN: usize = 5;

/// Why no split can be carved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Holding out a fifth would leave a class without images.
    #[error("class {label} has {n_groups} group(s), all of which would be held out")]
    NothingLeft {
        /// The class.
        label: u32,
        /// Its groups.
        n_groups: usize,
    },
}

/// The groups to hold out of `images`, given as (label, group). Every class is represented on both sides.
///
/// Seed 0 sorts by the hash of the group's name alone; another seed `n` by that of `n:name`.
///
/// # Errors
/// A class has a single group, or other classes hold out all it has.
pub fn carve<'a>(
    images: impl IntoIterator<Item = (u32, &'a str)>,
    seed: u64,
) -> Result<BTreeSet<&'a str>, SplitError> {
    let mut by_class: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for (label, group) in images {
        by_class.entry(label).or_default().insert(group);
    }
    let mut held_out = BTreeSet::new();
    for groups in by_class.values() {
        let mut sorted: Vec<_> = groups.iter().copied().collect();
        sorted.sort_by_cached_key(|group| (sort_key(group, seed), *group));
        held_out.extend(&sorted[..sorted.len().div_ceil(ONE_IN)]);
    }
    for (&label, groups) in &by_class {
        if groups.is_subset(&held_out) {
            let n_groups = groups.len();
            return Err(SplitError::NothingLeft { label, n_groups });
        }
    }
    Ok(held_out)
}

fn sort_key(group: &str, seed: u64) -> Sha256Digest {
    match seed {
        0 => Sha256Digest::of(group.as_bytes()),
        seed => Sha256Digest::of(format!("{seed}:{group}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ten groups of one class; the expected two come from
    /// `sorted("abcdefghij", key=lambda g: hashlib.sha256(g.encode()).hexdigest())[:2]`.
    #[test]
    fn the_first_fifth_by_hash_is_held_out() {
        let groups = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let held_out = carve(groups.map(|group| (0, group)), 0).unwrap();
        assert_eq!(held_out, BTreeSet::from(["d", "j"]));
    }

    #[test]
    fn another_seed_holds_out_others() {
        let groups: Vec<_> = (0..50).map(|idx| format!("g{idx}")).collect();
        let of_seed = |seed| carve(groups.iter().map(|group| (0, group.as_str())), seed).unwrap();
        assert_ne!(of_seed(0), of_seed(1));
        assert_eq!(of_seed(1).len(), 10);
    }

    #[test]
    fn a_class_of_one_group_cannot_be_split() {
        let images = [(0, "a"), (0, "b"), (1, "c"), (1, "c")];
        let error = SplitError::NothingLeft {
            label: 1,
            n_groups: 1,
        };
        assert_eq!(carve(images, 0), Err(error));
    }

    proptest! {
        #[test]
        fn every_class_is_on_both_sides_and_order_does_not_matter(
            sizes in proptest::collection::vec(1usize..30, 1..6),
            shared in 0usize..8,
            seed in 0u64..3,
            rotation in 0usize..100,
        ) {
            let mut images = Vec::new();
            for (label, size) in sizes.iter().enumerate() {
                for idx in 0..*size {
                    // The first groups belong to every class.
                    let group = if idx < shared { format!("shared{idx}") } else { format!("c{label}-{idx}") };
                    images.push((label as u32, group));
                }
            }
            let pairs: Vec<_> = images.iter().map(|(label, group)| (*label, group.as_str())).collect();
            let mut rotated = pairs.clone();
            rotated.rotate_left(rotation % pairs.len());
            rotated.extend(pairs.first().copied());
            prop_assert_eq!(carve(pairs.iter().copied(), seed), carve(rotated, seed));

            match carve(pairs.iter().copied(), seed) {
                Ok(held_out) => for (label, size) in sizes.iter().enumerate() {
                    let n_held = pairs.iter().filter(|(l, g)| *l == label as u32 && held_out.contains(g)).count();
                    prop_assert!(n_held >= size.div_ceil(5), "class {} holds out {} of {}", label, n_held, size);
                    prop_assert!(n_held < *size, "class {} keeps nothing", label);
                },
                Err(SplitError::NothingLeft { label, n_groups }) => {
                    prop_assert_eq!(n_groups, sizes[label as usize]);
                    prop_assert!(n_groups == 1 || shared > 0, "only shared groups empty a class of several");
                }
            }
        }
    }
}
