#!/bin/sh
# Reads the token from CULTIVAR_TOKEN_FILE (a secret or a volume) where CULTIVAR_TOKEN is not set.
set -eu
if [ -z "${CULTIVAR_TOKEN:-}" ] && [ -n "${CULTIVAR_TOKEN_FILE:-}" ]; then
  CULTIVAR_TOKEN=$(cat "$CULTIVAR_TOKEN_FILE")
  export CULTIVAR_TOKEN
fi
exec cultivar-worker "$@"
