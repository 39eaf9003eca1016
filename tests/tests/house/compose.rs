//! docker-compose.yml names files that exist and variables the programs read.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository")
        .to_owned()
}

#[test]
fn compose_describes_postgres_server_and_worker() {
    let text =
        std::fs::read_to_string(root().join("docker-compose.yml")).expect("docker-compose.yml");
    let compose: Value = serde_norway::from_str(&text).expect("valid YAML");
    let services = compose["services"].as_object().expect("services");
    for service in ["postgres", "server", "worker"] {
        assert!(services.contains_key(service), "no service {service}");
    }
    for (name, service) in services {
        if let Some(file) = service.pointer("/build/dockerfile").and_then(Value::as_str) {
            let context = service
                .pointer("/build/context")
                .and_then(Value::as_str)
                .unwrap_or(".");
            let dockerfile = root().join(context).join(file);
            let text = std::fs::read_to_string(&dockerfile)
                .unwrap_or_else(|e| panic!("{name}: {file}: {e}"));
            assert!(
                text.lines().any(|line| line.starts_with("FROM ")),
                "{file} builds on nothing"
            );
            assert!(text.contains("USER "), "{file} runs as root");
        }
    }
    let server = services["server"]["environment"].to_string();
    assert!(
        server.contains("DATABASE_URL"),
        "the server is not told its database"
    );
    let worker = services["worker"]["environment"].to_string();
    assert!(
        worker.contains("CULTIVAR_URL"),
        "the worker is not told its server"
    );
}
