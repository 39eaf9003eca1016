#!/usr/bin/env bash
# Compares every piece of the trainer with the reference implementations, live: makes the fixtures anew with PyTorch
# and timm, runs the parity tests against them, and prints one table.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$PWD/.cultivar
tools/setup.sh build demo-data parity
source tools/lib/cargo.sh
want nextest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CULTIVAR_WEIGHTS=$state/weights/efficientnet_lite0.safetensors
export CULTIVAR_PARITY_FIXTURES=$work/fixtures CULTIVAR_PARITY_ROWS=$work/rows.jsonl

echo "==> what PyTorch and timm compute (about 4 min)"
"$state/parity/bin/python" bench/parity/generate.py --weights "$CULTIVAR_WEIGHTS" --out "$CULTIVAR_PARITY_FIXTURES" >"$state/logs/parity.log"
echo "==> what Cultivar computes"
status=0
cargo nextest run --release --workspace --test main --no-fail-fast -E 'package(cultivar-train) and test(parity::)' --status-level fail --final-status-level fail || status=$?
echo "==> fifty steps on real images, ours and timm's"
cargo build --release --quiet --workspace --example recorded_steps
"${CARGO_TARGET_DIR:-target}/release/examples/recorded_steps" "$state/data/open-emoji" "$CULTIVAR_WEIGHTS" "$work/record.safetensors"
"$state/parity/bin/python" bench/finetune/losses.py "$work/record.safetensors" >>"$CULTIVAR_PARITY_ROWS" || status=$?
echo
"$state/parity/bin/python" bench/parity/table.py "$CULTIVAR_PARITY_ROWS" || status=1
exit $status
