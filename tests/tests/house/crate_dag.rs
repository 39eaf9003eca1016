//! Who may import whom: ARCHITECTURE.md's table, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate's layer and the workspace crates it may import.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cultivar-spec", &[]),
    ("cultivar-localpg", &[]),
    ("cultivar-search", &["cultivar-spec"]),
    ("cultivar-dataset", &["cultivar-spec"]),
    ("cultivar-client", &["cultivar-spec"]),
    ("cultivar-train", &["cultivar-spec", "cultivar-dataset"]),
    (
        "cultivar-server",
        &["cultivar-spec", "cultivar-search", "cultivar-dataset"],
    ),
    (
        "cultivar-worker",
        &[
            "cultivar-spec",
            "cultivar-client",
            "cultivar-dataset",
            "cultivar-train",
        ],
    ),
    (
        "cultivar-cli",
        &[
            "cultivar-spec",
            "cultivar-client",
            "cultivar-dataset",
            "cultivar-localpg",
        ],
    ),
    (
        "cultivar-tests",
        &["cultivar-spec", "cultivar-client", "cultivar-localpg"],
    ),
];

/// External crates that only the named workspace crates may reach, however indirectly.
const QUARANTINED: &[(&str, &[&str])] = &[
    ("tch", &["cultivar-train", "cultivar-worker"]),
    ("torch-sys", &["cultivar-train", "cultivar-worker"]),
    ("sqlx", &["cultivar-server", "cultivar-tests"]),
    ("axum", &["cultivar-server", "cultivar-worker"]),
    (
        "tokio",
        &[
            "cultivar-client",
            "cultivar-localpg",
            "cultivar-server",
            "cultivar-worker",
            "cultivar-cli",
            "cultivar-tests",
        ],
    ),
];

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let graph = Graph::read();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let found: BTreeSet<_> = graph
        .members
        .iter()
        .map(|id| graph.names[id].as_str())
        .collect();
    assert_eq!(
        found,
        allowed.keys().copied().collect(),
        "a crate came or went: change the table and ARCHITECTURE.md"
    );

    for member in &graph.members {
        let name = graph.names[member].as_str();
        for dependency in graph.imports[member]
            .iter()
            .filter(|id| graph.members.contains(*id))
        {
            let dependency = graph.names[dependency].as_str();
            assert!(
                allowed[name].contains(&dependency),
                "{name} must not import {dependency}"
            );
        }
        let reached = graph.reached_from(member);
        for (external, admitted) in QUARANTINED {
            let reaches = reached.iter().any(|id| graph.names[*id] == *external);
            assert!(
                !reaches || admitted.contains(&name),
                "{name} must not reach {external}"
            );
        }
    }
}

/// The dependency graph, by package id; development dependencies left out.
struct Graph {
    names: BTreeMap<String, String>,
    members: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read() -> Self {
        // Other platforms' crates were never downloaded.
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version=1",
                "--offline",
                "--filter-platform",
                &platform,
            ])
            .output()
            .expect("cargo metadata runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value =
            serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let list = |value: &Value| value.as_array().expect("an array").clone();
        let is_normal = |dep: &&Value| {
            list(&dep["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null())
        };
        Self {
            names: list(&metadata["packages"])
                .iter()
                .map(|p| (text(&p["id"]), text(&p["name"])))
                .collect(),
            members: list(&metadata["workspace_members"])
                .iter()
                .map(text)
                .collect(),
            imports: list(&metadata["resolve"]["nodes"])
                .iter()
                .map(|node| {
                    let imports = list(&node["deps"])
                        .iter()
                        .filter(is_normal)
                        .map(|dep| text(&dep["pkg"]))
                        .collect();
                    (text(&node["id"]), imports)
                })
                .collect(),
        }
    }

    fn reached_from<'a>(&'a self, start: &'a String) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(&self.imports[id]);
            }
        }
        reached
    }
}
