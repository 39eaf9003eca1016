#!/usr/bin/env bash
# Formatting, lints and documentation of everything, the fuzz targets included, which no build of the workspace sees.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --release --workspace --all-targets -- -D warnings
cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo clippy --release --manifest-path fuzz/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" --all-targets -- -D warnings
# Private items are documented, so links to them hold.
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --release --workspace --no-deps --document-private-items
