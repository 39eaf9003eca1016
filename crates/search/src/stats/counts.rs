//! Correct answers counted by group: the one input of all statistics here.

use std::collections::HashMap;

/// Which images of a split belong together.
#[derive(Clone, Debug)]
pub struct Groups {
    group_idx: Vec<u32>,
    sizes: Vec<u32>,
}

impl Groups {
    /// From each image's group, in the row order of the split.
    pub fn new<T: AsRef<str>>(group_of_image: impl IntoIterator<Item = T>) -> Self {
        let mut index: HashMap<String, u32> = HashMap::new();
        let mut sizes: Vec<u32> = Vec::new();
        let group_idx = group_of_image
            .into_iter()
            .map(|group| {
                let idx = *index.entry(group.as_ref().to_owned()).or_insert_with(|| {
                    sizes.push(0);
                    sizes.len() as u32 - 1
                });
                sizes[idx as usize] += 1;
                idx
            })
            .collect();
        Self { group_idx, sizes }
    }

    pub fn n_images(&self) -> usize {
        self.group_idx.len()
    }

    /// Images of each group.
    pub fn sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// Correct images of each group from one bit an image, least significant bit first.
    /// `None` if there are too few bits for the images of the split.
    pub fn count(&self, correct_bits: &[u8]) -> Option<Vec<u32>> {
        if correct_bits.len() != self.n_images().div_ceil(8) {
            return None;
        }
        let mut counts = vec![0; self.sizes.len()];
        for (image, &group) in self.group_idx.iter().enumerate() {
            counts[group as usize] += u32::from(correct_bits[image / 8] >> (image % 8) & 1);
        }
        Some(counts)
    }
}

/// How many images of each group each seed of one configuration got right.
#[derive(Clone, Debug)]
pub struct Correct<'a> {
    sizes: &'a [u32],
    seeds: Vec<&'a [u32]>,
}

impl<'a> Correct<'a> {
    /// `sizes`: images of each group, `[n_groups]`; `seeds`: correct images, `[n_seeds][n_groups]`.
    ///
    /// # Panics
    /// With no seed, no image, or counts of another number of groups: nothing could be estimated.
    pub fn new(sizes: &'a [u32], seeds: Vec<&'a [u32]>) -> Self {
        assert!(!seeds.is_empty(), "a configuration has at least one seed");
        assert!(
            seeds.iter().all(|counts| counts.len() == sizes.len()),
            "every seed counts the same groups"
        );
        let correct = Self { sizes, seeds };
        assert!(correct.n_images() > 0.0, "a split has at least one image");
        correct
    }

    pub fn sizes(&self) -> &'a [u32] {
        self.sizes
    }

    pub fn n_groups(&self) -> usize {
        self.sizes.len()
    }

    pub fn n_seeds(&self) -> usize {
        self.seeds.len()
    }

    /// Images in the split.
    pub fn n_images(&self) -> f64 {
        self.sizes.iter().map(|&n| f64::from(n)).sum()
    }

    pub fn seeds(&self) -> &[&'a [u32]] {
        &self.seeds
    }

    /// Accuracy of each seed.
    pub fn accuracies(&self) -> Vec<f64> {
        let n_images = self.n_images();
        self.seeds
            .iter()
            .map(|counts| counts.iter().map(|&n| f64::from(n)).sum::<f64>() / n_images)
            .collect()
    }

    /// Accuracy, averaged over the seeds.
    pub fn mean(&self) -> f64 {
        let accuracies = self.accuracies();
        accuracies.iter().sum::<f64>() / accuracies.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_by_group() {
        let groups = Groups::new(["a", "b", "a", "c", "b", "a", "a", "a", "c"]);
        assert_eq!(groups.sizes(), [5, 2, 2]);
        // Images 0, 2, 4 and 8 are correct.
        assert_eq!(groups.count(&[0b0001_0101, 1]).unwrap(), [2, 1, 1]);
        assert_eq!(groups.count(&[0b0001_0101]), None);
    }

    #[test]
    fn the_mean_weighs_images_not_groups() {
        let correct = Correct::new(&[9, 1], vec![&[9, 0], &[0, 1]]);
        assert_eq!(correct.accuracies(), [0.9, 0.1]);
        assert_eq!(correct.mean(), 0.5);
    }
}
