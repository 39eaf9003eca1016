#!/usr/bin/env bash
# Everything CI runs: set-up, formatting, lints, unit and integration tests on a real Postgres,
# the web page's tests, and the whole system with a browser.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
state=$root/.cultivar

tools/setup.sh build demo-data browser faketime
source tools/lib/postgres.sh

say() { printf '\n==> %s\n' "$*"; }

if ! cargo nextest --version >/dev/null 2>&1; then
  say "cargo-nextest is missing: building it (about 10 min, once)"
  cargo install --locked cargo-nextest
fi

say "formatting"
cargo fmt --all --check

say "lints"
cargo clippy --release --workspace --all-targets -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
  say "licences, bans and sources of the dependencies"
  cargo deny --offline check licenses bans sources
else
  say "NOT CHECKED: licences, bans and sources of the dependencies, since cargo-deny is not installed (cargo install --locked cargo-deny; it takes minutes)"
fi

say "web page: types, generated API, unit tests"
npm --prefix web run --silent typecheck
npm --prefix web run --silent api:check
npm --prefix web run --silent test

say "test database"
test_postgres_start
trap test_postgres_stop EXIT
export CULTIVAR_TEST_DATABASE_URL=$TEST_POSTGRES_URL

export CULTIVAR_EMOJI_PACKAGES=$state/packages
export CULTIVAR_WEIGHTS=$state/weights/efficientnet_lite0.safetensors
export CULTIVAR_DEMO_DATA=$state/data/open-emoji

say "unit, integration and whole-system tests"
cargo nextest run --release --workspace --no-fail-fast
