#!/usr/bin/env bash
# Runs one fuzz target for a while: tools/fuzz.sh TARGET SECONDS. What it learns stays in fuzz/corpus, what breaks a
# property lands in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?"TARGET is missing: trial_spec, search_space, metric_batch, archive or token"}
seconds=${2:-60}

say() { printf '==> %s\n' "$*"; }

if ! cargo +nightly --version >/dev/null 2>&1; then
  say "the nightly toolchain is missing: installing it, since the sanitizers' flags are nightly's"
  rustup toolchain install nightly --profile minimal
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  say "cargo-fuzz is missing: building it (about 2 min, once)"
  # Only a front to cargo: unoptimised it is as fast and builds sooner.
  cargo +nightly install --debug --locked cargo-fuzz
fi

seeds=("fuzz/seeds/$target")
case $target in
  search_space) seeds+=(recipes) ;;
  archive) seeds+=(crates/dataset/tests/fixtures/stanford-cars) ;;
esac
mkdir -p "fuzz/corpus/$target"
export CARGO_PROFILE_RELEASE_DEBUG=1
# A Parquet file may claim 2 GB before it is refused.
exec cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "${seeds[@]}" -- \
  -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1
