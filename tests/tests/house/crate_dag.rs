//! Who may import whom: ARCHITECTURE.md's table, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate's layer and the workspace crates it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cultivar-spec", &[]),
    ("cultivar-localpg", &[]),
    ("cultivar-search", &["cultivar-spec"]),
    ("cultivar-dataset", &["cultivar-spec"]),
    ("cultivar-client", &["cultivar-spec"]),
    ("cultivar-train", &["cultivar-spec", "cultivar-dataset"]),
    ("cultivar-server", &["cultivar-spec", "cultivar-search", "cultivar-dataset"]),
    ("cultivar-worker", &["cultivar-spec", "cultivar-client", "cultivar-train"]),
    ("cultivar-cli", &["cultivar-spec", "cultivar-client", "cultivar-dataset", "cultivar-localpg"]),
    ("cultivar-tests", &["cultivar-spec", "cultivar-client", "cultivar-localpg"]),
];

/// External crates that only the named workspace crates may reach, however indirectly.
const QUARANTINED: &[(&str, &[&str])] = &[
    ("tch", &["cultivar-train", "cultivar-worker"]),
    ("torch-sys", &["cultivar-train", "cultivar-worker"]),
    ("sqlx", &["cultivar-server", "cultivar-tests"]),
    ("axum", &["cultivar-server"]),
    ("tokio", &["cultivar-client", "cultivar-localpg", "cultivar-server", "cultivar-worker", "cultivar-cli", "cultivar-tests"]),
];

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let metadata = MetadataCommand::new().other_options(["--offline".to_owned()]).exec().expect("cargo metadata");
    let members: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.id.clone()).collect();
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (p.id.clone(), p.name.to_string())).collect();
    let normal: BTreeMap<_, Vec<_>> = metadata
        .resolve
        .as_ref()
        .expect("a resolved graph")
        .nodes
        .iter()
        .map(|node| {
            let is_normal = |dep: &&cargo_metadata::NodeDep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            (node.id.clone(), node.deps.iter().filter(is_normal).map(|dep| dep.pkg.clone()).collect())
        })
        .collect();

    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let found: BTreeSet<_> = members.iter().map(|id| names[id].as_str()).collect();
    assert_eq!(found, allowed.keys().copied().collect(), "a crate came or went: change the table and ARCHITECTURE.md");

    for member in &members {
        let name = names[member].as_str();
        for dependency in normal[member].iter().filter(|id| members.contains(id)) {
            let dependency = names[dependency].as_str();
            assert!(allowed[name].contains(&dependency), "{name} must not import {dependency}");
        }
        let mut reached = BTreeSet::new();
        let mut open = vec![member];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(&normal[id]);
            }
        }
        for (external, admitted) in QUARANTINED {
            let reaches = reached.iter().any(|id| names[*id] == *external);
            assert!(!reaches || admitted.contains(&name), "{name} must not reach {external}");
        }
    }
}
