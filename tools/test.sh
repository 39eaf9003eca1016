#!/usr/bin/env bash
# Everything CI runs: set-up, formatting, lints, unit and integration tests on a real Postgres,
# the web page's tests, and the whole system with a browser.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
state=$root/.cultivar

tools/setup.sh build demo-data browser faketime
source tools/lib/postgres.sh
source tools/lib/cargo.sh

say() { printf '\n==> %s\n' "$*"; }

want nextest
want deny

say "formatting and lints"
tools/lint.sh

say "licences, bans and sources of the dependencies"
cargo deny --log-level error check licenses bans sources

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
