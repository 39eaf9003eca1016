//! What `deny.toml` says, as far as Cargo.lock alone can tell: for machines without cargo-deny.

use std::path::Path;

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(name)).expect("it lies at the root")
}

/// The values of `key = "..."` on lines that start with `start`.
fn values(text: &str, start: &str, key: &str) -> Vec<String> {
    let key = format!("{key} = \"");
    text.lines()
        .filter(|line| line.trim_start().starts_with(start))
        .filter_map(|line| Some(line.split_once(&key)?.1.split('"').next()?.to_owned()))
        .collect()
}

#[test]
fn nothing_banned_and_nothing_from_elsewhere_is_locked() {
    let (deny, lock) = (read("deny.toml"), read("Cargo.lock"));
    let banned = values(&deny, "{ crate", "crate");
    let locked = values(&lock, "name", "name");
    assert!(
        banned.len() >= 3 && locked.len() > 100,
        "both files are read"
    );
    let found: Vec<_> = banned.iter().filter(|name| locked.contains(name)).collect();
    assert!(found.is_empty(), "banned and locked: {found:?}");

    let sources = values(&lock, "source", "source");
    let ours = "registry+https://github.com/rust-lang/crates.io-index";
    let strange: Vec<_> = sources.iter().filter(|source| *source != ours).collect();
    assert!(strange.is_empty(), "locked from elsewhere: {strange:?}");
}
