#!/usr/bin/env bash
# Both sides of the search benchmark, then the report. Runs that are there already are not repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."
tables=("${HPO_TABLES:?set HPO_TABLES to the folder that holds the recorded tables}")
if [ -d bench/search/tables ]; then tables+=(bench/search/tables); fi
python=${BENCH_PYTHON:-.cultivar/parity/bin/python}
target=${CARGO_TARGET_DIR:-target}
work=$target/bench-search
mkdir -p "$work"
"$python" -c 'import optuna, numpy' || {
  echo "bench-search: $python lacks Optuna and NumPy; set BENCH_PYTHON to a Python that has them" >&2
  exit 1
}

cargo build --release -p cultivar-search --example bench_search
ours=$target/release/examples/bench_search
"$ours" tables --tables "${tables[@]}" --out "$work/ours.jsonl" --seeds "${SEEDS:-100}"
[ -s "$work/latency.jsonl" ] || "$ours" latency --out "$work/latency.jsonl"
if [ -d bench/search/curves ]; then "$ours" curves --curves bench/search/curves --out "$work/curves.jsonl"; fi

export OMP_NUM_THREADS=1
"$python" bench/search/optuna_side.py --tables "${tables[@]}" --out "$work/optuna.jsonl" \
  --seeds "${SEEDS:-100}" --gp-seeds "${GP_SEEDS:-20}"
[ -s "$work/optuna_latency.jsonl" ] || "$python" bench/search/optuna_latency.py --out "$work/optuna_latency.jsonl"
"$ours" importance --tables "${tables[@]}" --out "$work/importance.json"
"$python" bench/search/optuna_importance.py --tables "${tables[@]}" --ours "$work/importance.json"
"$python" bench/search/report.py --runs "$work/ours.jsonl" "$work/optuna.jsonl" \
  --latency "$work/latency.jsonl" "$work/optuna_latency.jsonl" --curves "$work/curves.jsonl" --out bench/results/search.json
