//! Which emoji there are, what each shows and which belong together: from `emoji.json`.

use std::collections::{BTreeMap, BTreeSet};

use cultivar_spec::manifest::Split;
use serde::Deserialize;

use crate::split::{SplitError, carve};

/// A class needs this many groups.
const MIN_GROUPS: usize = 8;

/// Categories that show no things.
const LEFT_OUT_CATEGORIES: [&str; 3] = ["Component", "Flags", "Symbols"];

/// Subcategories too small or too alike to stand alone.
const MERGED: [(&str, &str); 6] = [
    ("animal-amphibian", "animal-reptile"),
    ("monkey-face", "animal-mammal"),
    ("hotel", "place-building"),
    ("face-glasses", "face-costume"),
    ("face-hat", "face-costume"),
    ("hand-prop", "body-parts"),
];

/// Code points that only vary an emoji: presentation, joiner, sexes, direction, skin tones.
const VARIATIONS: [&str; 10] = [
    "FE0F", "200D", "2640", "2642", "27A1", "1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF",
];

/// A base row of `emoji.json` (skin tones are nested in it and not read).
#[derive(Clone, Debug, Deserialize)]
pub struct EmojiRow {
    /// Code points in upper-case hex, joined by dashes.
    pub unified: String,
    /// The same without presentation selectors, where that is seen too.
    pub non_qualified: Option<String>,
    pub category: String,
    pub subcategory: String,
}

/// An emoji of the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emoji {
    pub unified: String,
    pub non_qualified: Option<String>,
    pub class: String,
    pub group: String,
    pub split: Split,
}

/// The emoji of the classes with enough groups, split into train and test, sorted by code points.
///
/// # Errors
/// A class's groups all fall to test through other classes.
pub fn select(rows: Vec<EmojiRow>) -> Result<Vec<Emoji>, SplitError> {
    let shows_a_thing = |row: &EmojiRow| {
        !LEFT_OUT_CATEGORIES.contains(&row.category.as_str())
            && !row.subcategory.starts_with("other-")
    };
    let mut emoji: Vec<Emoji> = rows
        .into_iter()
        .filter(shows_a_thing)
        .map(|row| Emoji {
            class: class_of(&row.subcategory).to_owned(),
            group: group_of(&row.unified),
            unified: row.unified,
            non_qualified: row.non_qualified,
            split: Split::Train,
        })
        .collect();
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &emoji {
        let of_class = groups.entry(one.class.clone()).or_default();
        of_class.insert(one.group.clone());
    }
    groups.retain(|_, of_class| of_class.len() >= MIN_GROUPS);
    emoji.retain(|one| groups.contains_key(&one.class));
    emoji.sort_by(|a, b| a.unified.cmp(&b.unified));

    let labels: BTreeMap<&str, u32> = groups.keys().map(String::as_str).zip(0..).collect();
    let drawn = emoji
        .iter()
        .map(|one| (labels[one.class.as_str()], one.group.as_str()));
    let in_test: BTreeSet<String> = carve(drawn, 0)?.into_iter().map(str::to_owned).collect();
    for one in &mut emoji {
        if in_test.contains(&one.group) {
            one.split = Split::Test;
        }
    }
    Ok(emoji)
}

fn class_of(subcategory: &str) -> &str {
    let merged = MERGED.iter().find(|(from, _)| *from == subcategory);
    merged.map_or(subcategory, |(_, to)| to)
}

/// What an emoji depicts, whoever drew it: its code points without variations, man and woman read as
/// person. All clock faces are one group, and so are all phases of the moon.
fn group_of(unified: &str) -> String {
    let kept = unified
        .split('-')
        .filter(|point| !VARIATIONS.contains(point));
    let points: Vec<&str> = kept
        .map(|point| match point {
            "1F468" | "1F469" => "1F9D1",
            other => other,
        })
        .collect();
    match points.as_slice() {
        [point] if ("1F550"..="1F567").contains(point) => "clock".to_owned(),
        [point] if ("1F311"..="1F318").contains(point) => "moon".to_owned(),
        points => points.join("-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_the_emoji_depicts() {
        let check = |unified: &str, group: &str| assert_eq!(group_of(unified), group, "{unified}");
        check("1F600", "1F600");
        check("1F469-200D-1F52C", "1F9D1-1F52C");
        check("1F9D1-200D-1F52C", "1F9D1-1F52C");
        check("1F3C3-200D-2640-FE0F-200D-27A1-FE0F", "1F3C3");
        check("1F468-1F3FD-200D-1F527", "1F9D1-1F527");
        check("2764-FE0F", "2764");
        check("1F550", "clock");
        check("1F567", "clock");
        check("1F568", "1F568");
        check("1F311", "moon");
        check("1F318", "moon");
        check("1F319", "1F319");
    }

    fn rows(category: &str, subcategory: &str, first: u32, n: u32) -> Vec<EmojiRow> {
        let row = |point| EmojiRow {
            unified: format!("{point:04X}"),
            non_qualified: None,
            category: category.to_owned(),
            subcategory: subcategory.to_owned(),
        };
        (first..first + n).map(row).collect()
    }

    #[test]
    fn classes_are_merged_and_small_ones_left_out() {
        let table = [
            rows("Animals", "animal-mammal", 0x1F400, 7),
            rows("Smileys", "monkey-face", 0x1F648, 3),
            rows("Animals", "animal-bird", 0x1F420, 8),
            rows("Animals", "animal-bug", 0x1F440, 7),
            rows("Symbols", "arrow", 0x2190, 20),
            rows("Objects", "other-object", 0x1F4A0, 20),
        ]
        .concat();
        let emoji = select(table).unwrap();
        let count = |class| emoji.iter().filter(|one| one.class == class).count();
        assert_eq!((count("animal-mammal"), count("animal-bird")), (10, 8));
        assert_eq!(emoji.len(), 18);
        let n_test = emoji.iter().filter(|one| one.split == Split::Test).count();
        assert_eq!(n_test, 4, "ceil(10 / 5) + ceil(8 / 5)");
    }

    #[test]
    fn eight_emoji_of_seven_groups_are_no_class() {
        let mut table = rows("People", "person", 0x1F464, 7);
        table.push(EmojiRow {
            unified: "1F464-200D-2640-FE0F".to_owned(),
            ..table[0].clone()
        });
        assert_eq!(select(table).unwrap(), []);
    }
}
