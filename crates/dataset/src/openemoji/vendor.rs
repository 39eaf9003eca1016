//! The four drawn sets: where their packages keep them and under which licence.

use std::path::{Path, PathBuf};

use super::table::Emoji;

/// Who drew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vendor {
    Noto,
    Twemoji,
    OpenMoji,
    Fluent,
}

impl Vendor {
    pub const ALL: [Self; 4] = [Self::Noto, Self::Twemoji, Self::OpenMoji, Self::Fluent];

    /// Its folder in the dataset.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Noto => "noto",
            Self::Twemoji => "twemoji",
            Self::OpenMoji => "openmoji",
            Self::Fluent => "fluent",
        }
    }

    /// The npm package, which is also its folder under `node_modules`.
    pub fn package(self) -> &'static str {
        match self {
            Self::Noto => "emoji-datasource-google",
            Self::Twemoji => "emoji-datasource-twitter",
            Self::OpenMoji => "openmoji",
            Self::Fluent => "@lobehub/fluent-emoji-3d",
        }
    }

    /// SPDX identifier of the images' licence; a package's own code may have another.
    pub fn licence(self) -> &'static str {
        match self {
            Self::Noto => "Apache-2.0",
            Self::Twemoji => "CC-BY-4.0",
            Self::OpenMoji => "CC-BY-SA-4.0",
            Self::Fluent => "MIT",
        }
    }

    /// The home of the images.
    pub fn url(self) -> &'static str {
        match self {
            Self::Noto => "https://github.com/googlefonts/noto-emoji",
            Self::Twemoji => "https://github.com/jdecked/twemoji",
            Self::OpenMoji => "https://openmoji.org",
            Self::Fluent => "https://github.com/microsoft/fluentui-emoji",
        }
    }

    /// The folder of the images in the package, and their extension.
    fn images(self) -> (&'static str, &'static str) {
        match self {
            Self::Noto => ("img/google/64", "png"),
            Self::Twemoji => ("img/twitter/64", "png"),
            Self::OpenMoji => ("color/svg", "svg"),
            Self::Fluent => ("assets", "webp"),
        }
    }

    /// Where the packages keep this emoji, if they do: under its code points in either case, with or
    /// without the presentation selector FE0F, with or without leading zeros.
    pub fn find(self, packages: &Path, emoji: &Emoji) -> Option<PathBuf> {
        let (folder, extension) = self.images();
        let folder = packages.join(self.package()).join(folder);
        let mut spellings = vec![emoji.unified.clone()];
        spellings.extend(emoji.non_qualified.clone());
        spellings.push(without_selector(&emoji.unified));
        for idx in 0..spellings.len() {
            spellings.push(without_leading_zeros(&spellings[idx]));
        }
        spellings
            .into_iter()
            .map(|spelling| match self {
                Self::OpenMoji => spelling.to_uppercase(),
                _ => spelling.to_lowercase(),
            })
            .map(|spelling| folder.join(format!("{spelling}.{extension}")))
            .find(|path| path.is_file())
    }
}

fn without_selector(unified: &str) -> String {
    let points: Vec<_> = unified
        .split('-')
        .filter(|point| *point != "FE0F")
        .collect();
    points.join("-")
}

fn without_leading_zeros(unified: &str) -> String {
    let points: Vec<_> = unified
        .split('-')
        .map(|point| point.trim_start_matches('0'))
        .collect();
    points.join("-")
}

#[cfg(test)]
mod tests {
    use cultivar_spec::manifest::Split;

    use super::*;

    fn check(vendor: Vendor, file: &str, unified: &str, found: bool) {
        let packages = tempfile::tempdir().unwrap();
        let path = packages
            .path()
            .join(vendor.package())
            .join(vendor.images().0)
            .join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        let emoji = Emoji {
            unified: unified.to_owned(),
            non_qualified: None,
            class: String::new(),
            group: String::new(),
            split: Split::Train,
        };
        assert_eq!(
            vendor.find(packages.path(), &emoji),
            found.then_some(path),
            "{file}"
        );
    }

    #[test]
    fn an_emoji_is_found_under_every_spelling() {
        check(Vendor::Noto, "1f600.png", "1F600", true);
        check(Vendor::OpenMoji, "2764.svg", "2764-FE0F", true);
        check(Vendor::Twemoji, "a9-fe0f.png", "00A9-FE0F", true);
        check(Vendor::Fluent, "a9.webp", "00A9-FE0F", true);
        check(Vendor::Fluent, "1f601.webp", "1F600", false);
    }
}
