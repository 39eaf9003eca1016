//! How the training images of an epoch come into batches: a function of (seed, epoch) and nothing else.
//!
//! * `shuffle`: every image once, but for a last batch of one image where BatchNorm would have no statistics of it.
//! * `class_balanced`: Kang et al. 2020, <https://arxiv.org/abs/1910.09217>, equation 1 with q = 0: every class has the
//!   same probability, 1 / C. Differences: classes and images are not drawn independently but take turns, so that an
//!   epoch's counts of two classes differ by one at most, and over the epochs so do those of two images of a class.
//! * `pk`: Hermans et al. 2017, <https://arxiv.org/abs/1703.07737>, section 2: P classes, K images of each.
//!   Differences: the paper draws both at random; here an epoch holds every image at least once, so batches
//!   prefer the classes with most images left, and what fills them up is drawn again.

use std::collections::BTreeMap;

use cultivar_spec::trial;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::order::{epoch_order, n_batches};
use crate::rng::{Stream, stream};

/// A P x K sampler needs more classes than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("data.sampler wants {p} classes a batch and the training images have {n_classes}")]
pub struct TooFewClasses {
    pub p: usize,
    pub n_classes: usize,
}

/// Deals out training images.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Indices into the manifest.
    images: Vec<i64>,
    /// The same by class; those without images are left out.
    classes: Vec<Vec<i64>>,
    rule: Rule,
    n_batches: usize,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Shuffle { batch_size: usize },
    ClassBalanced { batch_size: usize },
    Pk { p: usize, k: usize },
}

impl Sampler {
    /// `images`: indices into the manifest with the class of each. `min_batch`: see [`n_batches`].
    ///
    /// # Errors
    /// Fewer classes than a P x K sampler needs.
    pub fn new(
        spec: &trial::Sampler,
        images: &[(i64, u32)],
        batch_size: usize,
        min_batch: usize,
    ) -> Result<Self, TooFewClasses> {
        let mut by_class: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for &(idx, class) in images {
            by_class.entry(class).or_default().push(idx);
        }
        let classes: Vec<Vec<i64>> = by_class.into_values().collect();
        let (rule, n_batches) = match *spec {
            trial::Sampler::Shuffle {} => (
                Rule::Shuffle { batch_size },
                n_batches(images.len(), batch_size, min_batch),
            ),
            trial::Sampler::ClassBalanced {} => (
                Rule::ClassBalanced { batch_size },
                n_batches(images.len(), batch_size, min_batch),
            ),
            trial::Sampler::Pk { p, k } => {
                let (p, k) = (p as usize, k as usize);
                if classes.len() < p {
                    let n_classes = classes.len();
                    return Err(TooFewClasses { p, n_classes });
                }
                let n_hands = || classes.iter().map(|class| class.len().div_ceil(k));
                let n_all: usize = n_hands().sum();
                // A class plays one hand a batch.
                let n_largest = n_hands().max().unwrap_or(0);
                (Rule::Pk { p, k }, n_all.div_ceil(p).max(n_largest))
            }
        };
        Ok(Self {
            images: images.iter().map(|&(idx, _)| idx).collect(),
            classes,
            rule,
            n_batches,
        })
    }

    /// Batches of every epoch.
    pub fn n_batches(&self) -> usize {
        self.n_batches
    }

    /// The batches of one epoch.
    pub fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<i64>> {
        let in_batches = |order: Vec<i64>, batch_size| {
            let batches = order.chunks(batch_size).take(self.n_batches);
            batches.map(<[i64]>::to_vec).collect()
        };
        match self.rule {
            Rule::Shuffle { batch_size } => {
                in_batches(epoch_order(&self.images, seed, epoch), batch_size)
            }
            Rule::ClassBalanced { batch_size } => {
                in_batches(self.balanced(seed, epoch), batch_size)
            }
            Rule::Pk { p, k } => self.dealt(p, k, &mut stream(seed, epoch, Stream::Shuffle)),
        }
    }

    /// As many images as there are, evenly from all classes (within one).
    ///
    /// Each class is an endless row of shuffled passes over its images, and every epoch takes the next
    /// piece of it: over the epochs all images of a class are seen equally often.
    fn balanced(&self, seed: u64, epoch: u64) -> Vec<i64> {
        let n_classes = self.classes.len() as u64;
        // The whole parts of (x + 0) / n, (x + 1) / n, ... (x + n - 1) / n sum to x.
        let taken = |epochs: u64, class: u64| {
            ((epochs * self.images.len() as u64 + class) / n_classes) as usize
        };
        let mut order = Vec::with_capacity(self.images.len());
        for (class, images) in self.classes.iter().enumerate() {
            let mut pass: Option<(usize, Vec<i64>)> = None;
            for place in taken(epoch, class as u64)..taken(epoch + 1, class as u64) {
                let (nth, within) = (place / images.len(), place % images.len());
                let known = pass.take().filter(|(idx, _)| *idx == nth);
                let (_, shuffled) = pass.insert(known.unwrap_or_else(|| {
                    let key = ((class as u64) << 32) | nth as u64;
                    let mut shuffled = images.clone();
                    shuffled.shuffle(&mut stream(seed, key, Stream::ClassPass));
                    (nth, shuffled)
                }));
                order.push(shuffled[within]);
            }
        }
        order.shuffle(&mut stream(seed, epoch, Stream::Shuffle));
        order
    }

    /// Batches of `p` classes with `k` images each; every image is in at least one.
    ///
    /// A class's images are shuffled and cut into hands of `k`. Each batch takes a hand of the `p` classes that have most
    /// left, so that no class is left over; where fewer have any, others play again. An image comes twice
    /// into one batch only where its class has fewer than `k`.
    fn dealt(&self, p: usize, k: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<i64>> {
        let mut hands: Vec<Vec<Vec<i64>>> = self
            .classes
            .iter()
            .map(|images| {
                let mut images = images.clone();
                images.shuffle(rng);
                let n_hands = images.len().div_ceil(k);
                let mut places = images.iter().copied().cycle();
                (0..n_hands)
                    .map(|_| places.by_ref().take(k).collect())
                    .collect()
            })
            .collect();
        let mut players: Vec<usize> = (0..hands.len()).collect();
        let mut batches: Vec<Vec<i64>> = (0..self.n_batches)
            .map(|_| {
                players.shuffle(rng);
                players.sort_by_key(|&class| std::cmp::Reverse(hands[class].len()));
                let mut batch = Vec::with_capacity(p * k);
                for &class in &players[..p] {
                    batch.extend(hands[class].pop().unwrap_or_else(|| {
                        let mut images = self.classes[class].clone();
                        images.shuffle(rng);
                        images.into_iter().cycle().take(k).collect()
                    }));
                }
                batch
            })
            .collect();
        batches.shuffle(rng);
        batches
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    /// Images numbered through, `sizes[c]` of class c.
    fn images(sizes: &[usize]) -> Vec<(i64, u32)> {
        let classes = sizes
            .iter()
            .enumerate()
            .flat_map(|(class, &size)| std::iter::repeat_n(class as u32, size));
        classes
            .enumerate()
            .map(|(idx, class)| (idx as i64, class))
            .collect()
    }

    fn counts(batches: &[Vec<i64>]) -> HashMap<i64, usize> {
        let mut counts = HashMap::new();
        for &idx in batches.iter().flatten() {
            *counts.entry(idx).or_default() += 1;
        }
        counts
    }

    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(1_usize..40, 2..12)
    }

    proptest! {
        #[test]
        fn a_shuffle_is_the_order_it_always_was(sizes in sizes(), seed in 0_u64..1000, batch_size in 2_usize..20) {
            let images = images(&sizes);
            let sampler = Sampler::new(&trial::Sampler::Shuffle {}, &images, batch_size, 1).unwrap();
            let indices: Vec<i64> = images.iter().map(|&(idx, _)| idx).collect();
            prop_assert_eq!(sampler.epoch(seed, 3).concat(), epoch_order(&indices, seed, 3));
        }

        #[test]
        fn balanced_epochs_draw_classes_evenly_and_images_in_turns(
            sizes in sizes(), seed in 0_u64..1000, n_epochs in 1_u64..8,
        ) {
            let images = images(&sizes);
            let sampler = Sampler::new(&trial::Sampler::ClassBalanced {}, &images, 8, 1).unwrap();
            let mut all = Vec::new();
            for epoch in 0..n_epochs {
                let batches = sampler.epoch(seed, epoch);
                prop_assert_eq!(&batches, &sampler.epoch(seed, epoch));
                prop_assert_eq!(batches.len(), sampler.n_batches());
                prop_assert_eq!(batches.concat().len(), images.len());
                let mut of_class = vec![0_usize; sizes.len()];
                for idx in batches.concat() {
                    of_class[images[idx as usize].1 as usize] += 1;
                }
                let (least, most) = (of_class.iter().min().unwrap(), of_class.iter().max().unwrap());
                prop_assert!(most - least <= 1, "{:?}", of_class);
                all.extend(batches);
            }
            // Within a class no image is ever two draws ahead of another.
            let counts = counts(&all);
            for class in 0..sizes.len() {
                let of_class = images.iter().filter(|(_, c)| *c as usize == class);
                let seen: Vec<usize> = of_class.map(|(idx, _)| counts.get(idx).copied().unwrap_or(0)).collect();
                prop_assert!(seen.iter().max().unwrap() - seen.iter().min().unwrap() <= 1, "{:?}", seen);
            }
        }

        #[test]
        fn dealt_batches_hold_p_classes_of_k_and_cover_the_set(
            sizes in sizes(), seed in 0_u64..1000, p in 2_usize..6, k in 2_usize..6,
        ) {
            let images = images(&sizes);
            let spec = trial::Sampler::Pk { p: p as u32, k: k as u32 };
            let sampler = match Sampler::new(&spec, &images, p * k, 2) {
                Ok(sampler) => sampler,
                Err(error) => {
                    prop_assert_eq!(error, TooFewClasses { p, n_classes: sizes.len() });
                    prop_assert!(p > sizes.len());
                    return Ok(());
                }
            };
            let batches = sampler.epoch(seed, 5);
            prop_assert_eq!(&batches, &sampler.epoch(seed, 5));
            prop_assert_eq!(batches.len(), sampler.n_batches());
            prop_assert_eq!(counts(&batches).len(), images.len(), "not every image is seen");
            for batch in &batches {
                let mut of_class: HashMap<u32, Vec<i64>> = HashMap::new();
                for &idx in batch {
                    of_class.entry(images[idx as usize].1).or_default().push(idx);
                }
                prop_assert_eq!(of_class.len(), p);
                for (class, members) in of_class {
                    prop_assert_eq!(members.len(), k);
                    let distinct: HashSet<i64> = members.into_iter().collect();
                    prop_assert_eq!(distinct.len(), k.min(sizes[class as usize]));
                }
            }
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let images = images(&[30, 30, 30]);
        for spec in [
            trial::Sampler::Shuffle {},
            trial::Sampler::ClassBalanced {},
            trial::Sampler::Pk { p: 3, k: 4 },
        ] {
            let sampler = Sampler::new(&spec, &images, 12, 2).unwrap();
            assert_ne!(sampler.epoch(1, 0), sampler.epoch(1, 1), "{spec:?}");
            assert_ne!(sampler.epoch(1, 0), sampler.epoch(2, 0), "{spec:?}");
        }
    }
}
