#!/bin/sh
# Asks the server for a token of scope worker, once, and keeps it in the file $1. Runs beside the
# server's data, where the admin token lies, so that workers need never see that one.
set -eu
file=$1
[ -s "$file" ] && exit 0
admin=$(cat "$CULTIVAR_HOME/admin-token")
# The header goes by standard input: arguments are visible to everyone on the machine.
answer=$(printf 'Authorization: Bearer %s\n' "$admin" |
  curl -fsS -H @- -H 'Content-Type: application/json' -d '{"name": "compose workers", "scope": "worker"}' \
    "$CULTIVAR_URL/api/v1/tokens")
token=$(printf '%s' "$answer" | sed -n 's/.*"token" *: *"\([^"]*\)".*/\1/p')
if [ -z "$token" ]; then
  echo "mint-worker-token: $CULTIVAR_URL/api/v1/tokens answered without a token" >&2
  exit 1
fi
umask 077
printf '%s\n' "$token" >"$file.part"
mv "$file.part" "$file"
