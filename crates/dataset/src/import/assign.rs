//! Every image's split: as assigned by the owner, else carved from train.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cultivar_spec::manifest::Split;

use super::check::CheckedImage;
use super::error::{ImportError, StraddlingGroup, Warning};
use crate::split::{SplitError, carve};

/// Refuses a group whose images were assigned to several splits, and a folder that assigns some
/// images and not others.
///
/// # Errors
/// Each names what it found where.
pub fn check_assigned(dir: &Path, images: &[CheckedImage]) -> Result<(), ImportError> {
    let open = images.iter().filter(|image| image.listing.split.is_none());
    let n_open = open.clone().count();
    if let (Some(first), true) = (open.clone().next(), n_open < images.len()) {
        let what = format!(
            "{n_open} of {} images have no split (first: {}); want a split for all or for none",
            images.len(),
            first.listing.path
        );
        let path = dir.to_owned();
        return Err(ImportError::Layout { path, what });
    }
    let mut splits_of: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for image in images {
        if let (Some(group), Some(split)) = (&image.listing.group, image.listing.split) {
            splits_of.entry(group).or_default().insert(split);
        }
    }
    splits_of.retain(|_, splits| splits.len() > 1);
    if splits_of.is_empty() {
        return Ok(());
    }
    let straddling = splits_of
        .into_iter()
        .map(|(group, splits)| StraddlingGroup {
            group: group.to_owned(),
            splits: splits.into_iter().collect(),
        });
    Err(ImportError::GroupAcrossSplits(straddling.collect()))
}

/// Gives every image its split, in the order of `images`, and says in words how. A missing val is
/// carved from train, a missing test only if `carve_test`.
///
/// `labels` and `groups` go with `images`.
///
/// # Errors
/// No image is in train, a class has none there, or too few groups to carve from.
pub fn assign(
    images: &[CheckedImage],
    labels: &[u32],
    groups: &[String],
    classes: &[String],
    carve_test: bool,
    seed: u64,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Split>, String), ImportError> {
    let assigned = images.iter().any(|image| image.listing.split.is_some());
    let mut splits: Vec<Split> = images
        .iter()
        .map(|image| image.listing.split.unwrap_or(Split::Train))
        .collect();
    if !splits.contains(&Split::Train) {
        return Err(ImportError::NoTrain);
    }
    let lacking = classes_lacking(&splits, labels, classes, Split::Train);
    if !lacking.is_empty() {
        return Err(ImportError::ClassWithoutTrain(lacking));
    }

    let mut carved = Vec::new();
    for (split, wanted) in [(Split::Test, carve_test), (Split::Val, true)] {
        if wanted && !splits.contains(&split) {
            hold_out(split, &mut splits, labels, groups, classes, seed)?;
            carved.push(split.name());
        }
        let lacking = classes_lacking(&splits, labels, classes, split);
        if splits.contains(&split) && !lacking.is_empty() {
            warnings.push(Warning::ClassesNotHeldOut {
                split,
                classes: lacking,
            });
        }
    }
    Ok((splits, rule_in_words(assigned, &carved, seed)))
}

/// Moves a fifth of the groups of train to `split`.
fn hold_out(
    split: Split,
    splits: &mut [Split],
    labels: &[u32],
    groups: &[String],
    classes: &[String],
    seed: u64,
) -> Result<(), ImportError> {
    let in_train = (0..splits.len()).filter(|&idx| splits[idx] == Split::Train);
    let held_out = carve(
        in_train.map(|idx| (labels[idx], groups[idx].as_str())),
        seed,
    )
    .map_err(
        |SplitError::NothingLeft { label, n_groups }| ImportError::TooFewGroups {
            class: classes[label as usize].clone(),
            n_groups,
            split,
        },
    )?;
    for (at, group) in splits.iter_mut().zip(groups) {
        if *at == Split::Train && held_out.contains(group.as_str()) {
            *at = split;
        }
    }
    Ok(())
}

fn classes_lacking(
    splits: &[Split],
    labels: &[u32],
    classes: &[String],
    split: Split,
) -> Vec<String> {
    let present: BTreeSet<u32> = labels
        .iter()
        .zip(splits)
        .filter(|(_, at)| **at == split)
        .map(|(label, _)| *label)
        .collect();
    (0..)
        .zip(classes)
        .filter(|(label, _)| !present.contains(label))
        .map(|(_, class)| class.clone())
        .collect()
}

fn rule_in_words(assigned: bool, carved: &[&str], seed: u64) -> String {
    let mut sentences = Vec::new();
    if assigned {
        sentences.push("Splits as the source assigns them.".to_owned());
    }
    if !carved.is_empty() {
        let hash = match seed {
            0 => "SHA-256 of the group".to_owned(),
            seed => format!("SHA-256 of {seed}:group"),
        };
        sentences.push(format!(
            "Carved from train ({}): within each class the first ceil(20%) of the groups by {hash}, everywhere they occur.",
            carved.join(", then ")
        ));
    }
    sentences.join(" ")
}
