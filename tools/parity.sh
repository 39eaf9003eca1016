#!/usr/bin/env bash
# Compares every piece of the trainer with the reference implementations, live: makes the fixtures anew with PyTorch
# and timm, runs the parity tests against them, and prints one table.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$PWD/.cultivar
tools/setup.sh torch parity weights
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CULTIVAR_WEIGHTS=$state/weights/efficientnet_lite0.safetensors
export CULTIVAR_PARITY_FIXTURES=$work/fixtures CULTIVAR_PARITY_ROWS=$work/rows.jsonl

echo "==> what PyTorch and timm compute (about 1 min)"
"$state/parity/bin/python" bench/parity/generate.py --weights "$CULTIVAR_WEIGHTS" --out "$CULTIVAR_PARITY_FIXTURES" >"$state/logs/parity.log"
echo "==> what Cultivar computes"
status=0
cargo nextest run --release -p cultivar-train --no-fail-fast -E 'test(parity::)' --status-level fail --final-status-level fail || status=$?
echo
"$state/parity/bin/python" bench/parity/table.py "$CULTIVAR_PARITY_ROWS" || status=1
exit $status
