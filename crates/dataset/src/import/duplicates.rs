//! Identical files: never on both sides of a split, always one draw.

use std::collections::{BTreeMap, BTreeSet};

use super::check::CheckedImage;
use super::error::{LeftOut, Warning};

/// Leaves identical images out of all but the most held-out split they were assigned to, and lets
/// the groups of those that stay become one, named after the first of them by name.
pub fn settle(images: Vec<CheckedImage>, warnings: &mut Vec<Warning>) -> Vec<CheckedImage> {
    let mut by_content: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (idx, image) in images.iter().enumerate() {
        by_content.entry(image.sha256).or_default().push(idx);
    }
    let mut copies: Vec<_> = by_content
        .into_values()
        .filter(|idxs| idxs.len() > 1)
        .collect();
    copies.sort();

    let mut groups = Groups::default();
    let mut left_out = BTreeMap::new();
    let mut under_labels = Vec::new();
    let mut repeats = Repeats::default();
    for idxs in copies {
        let path = |idx: &usize| images[*idx].listing.path.clone();
        let most_held_out = idxs.iter().map(|&idx| images[idx].listing.split).max();
        let (kept, dropped): (Vec<_>, Vec<_>) = idxs
            .into_iter()
            .partition(|&idx| Some(images[idx].listing.split) == most_held_out);
        left_out.extend(dropped.into_iter().map(|idx| {
            let repeats = path(&kept[0]);
            let path = path(&idx);
            (idx, LeftOut { path, repeats })
        }));
        let labels: BTreeSet<_> = kept.iter().map(|&idx| &images[idx].listing.class).collect();
        if labels.len() > 1 {
            under_labels.push(kept.iter().map(path).collect());
        } else if let [first, second, ..] = kept.as_slice() {
            repeats.n_files += kept.len() - 1;
            repeats.first.get_or_insert([path(first), path(second)]);
        }
        groups.join(kept.iter().map(|&idx| name_of_group(&images[idx])));
    }
    if !left_out.is_empty() {
        let images = left_out.values().cloned().collect();
        warnings.push(Warning::DuplicatesAcrossSplits(images));
    }
    if !under_labels.is_empty() {
        warnings.push(Warning::DuplicatesAcrossLabels(under_labels));
    }
    if let Some(first) = repeats.first {
        let n_files = repeats.n_files;
        warnings.push(Warning::Duplicates { n_files, first });
    }

    let stays = images
        .into_iter()
        .enumerate()
        .filter(|(idx, _)| !left_out.contains_key(idx));
    stays
        .map(|(_, mut image)| {
            let own = name_of_group(&image);
            let joined = groups.find(&own);
            if joined != own {
                image.listing.group = Some(joined);
            }
            image
        })
        .collect()
}

#[derive(Default)]
struct Repeats {
    n_files: usize,
    first: Option<[String; 2]>,
}

/// The group, or the image itself where it stands alone: as in the manifest.
fn name_of_group(image: &CheckedImage) -> String {
    let group = image.listing.group.clone();
    group.unwrap_or_else(|| image.sha256.to_string())
}

/// Sets of group names, each led by its first name in the alphabet.
#[derive(Default)]
struct Groups {
    leader: BTreeMap<String, String>,
}

impl Groups {
    fn find(&self, name: &str) -> String {
        let mut name = name;
        while let Some(next) = self.leader.get(name) {
            name = next;
        }
        name.to_owned()
    }

    fn join(&mut self, names: impl Iterator<Item = String>) {
        let leaders: BTreeSet<_> = names.map(|name| self.find(&name)).collect();
        let mut leaders = leaders.into_iter();
        if let Some(first) = leaders.next() {
            self.leader
                .extend(leaders.map(|other| (other, first.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::Sha256Digest;
    use cultivar_spec::manifest::Split;

    use super::super::images::Place;
    use super::super::layout::Listing;
    use super::*;

    /// Images as (path, content, class, split, group); expects `path group` of those that stay.
    fn check(images: &[(&str, &str, &str, Option<Split>, &str)], expect: &[&str]) -> Vec<Warning> {
        let checked = images
            .iter()
            .map(|(path, content, class, split, group)| CheckedImage {
                listing: Listing {
                    path: path.to_string(),
                    place: Place::File,
                    class: class.to_string(),
                    split: *split,
                    group: Some(group.to_string()),
                },
                sha256: Sha256Digest::of(content.as_bytes()),
                n_bytes: 1,
            });
        let mut warnings = Vec::new();
        let stays = settle(checked.collect(), &mut warnings);
        let found: Vec<_> = stays
            .iter()
            .map(|image| format!("{} {}", image.listing.path, name_of_group(image)))
            .collect();
        assert_eq!(found, expect);
        warnings
    }

    #[test]
    fn the_copy_in_train_gives_way_to_test() {
        let warnings = check(
            &[
                ("1", "same", "a", Some(Split::Train), "g1"),
                ("2", "same", "a", Some(Split::Test), "g2"),
                ("3", "same", "a", Some(Split::Val), "g3"),
            ],
            &["2 g2"],
        );
        let left_out = ["1", "3"].map(|path| LeftOut {
            path: path.into(),
            repeats: "2".into(),
        });
        let warning = Warning::DuplicatesAcrossSplits(left_out.into());
        assert_eq!(warnings, [warning]);
    }

    #[test]
    fn groups_that_share_an_image_become_one_however_long_the_chain() {
        let warnings = check(
            &[
                ("1", "x", "a", None, "g4"),
                ("2", "x", "a", None, "g3"),
                ("3", "y", "a", None, "g3"),
                ("4", "y", "a", None, "g1"),
                ("5", "z", "a", None, "g4"),
                ("6", "w", "a", None, "g2"),
            ],
            &["1 g1", "2 g1", "3 g1", "4 g1", "5 g1", "6 g2"],
        );
        let first = ["1".into(), "2".into()];
        assert_eq!(warnings, [Warning::Duplicates { n_files: 2, first }]);
    }

    #[test]
    fn one_image_under_two_labels_is_said() {
        let images = [("1", "x", "a", None, "g"), ("2", "x", "b", None, "g")];
        let warning = Warning::DuplicatesAcrossLabels(vec![vec!["1".into(), "2".into()]]);
        assert_eq!(check(&images, &["1 g", "2 g"]), [warning]);
    }
}
