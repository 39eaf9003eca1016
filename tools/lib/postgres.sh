# Postgres' programs, and a throw-away cluster for tests: Unix socket only, fsync off. Sourced.

is_recent_postgres() {
  local major
  major=$("$1" --version 2>/dev/null | sed -n 's/^[^0-9]* \([0-9]*\).*/\1/p')
  [ "${major:-0}" -ge 15 ]
}

# Where the server programs are, of version 15 or newer.
postgres_bin() {
  local dir
  if [ -n "${CULTIVAR_PG_BIN:-}" ]; then
    [ -x "$CULTIVAR_PG_BIN/initdb" ] || { echo "CULTIVAR_PG_BIN=$CULTIVAR_PG_BIN holds no initdb: point it at the folder with Postgres' server programs" >&2; exit 1; }
    echo "$CULTIVAR_PG_BIN"
    return
  fi
  for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) $(dirname "$(command -v initdb 2>/dev/null || echo /nowhere/initdb)"); do
    if [ -x "$dir/initdb" ] && is_recent_postgres "$dir/postgres"; then echo "$dir"; return; fi
  done
  return 1
}

# Postgres refuses to run as root.
test_postgres_run() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$*"; else sh -c "$*"; fi; }

test_postgres_start() {
  TEST_POSTGRES_DIR=$(mktemp -d /tmp/cultivar-test.XXXXXX)
  TEST_POSTGRES_URL="postgres:///postgres?host=$TEST_POSTGRES_DIR&user=postgres"
  local bin
  bin=$(postgres_bin)
  if [ "$(id -u)" = 0 ]; then chown postgres "$TEST_POSTGRES_DIR"; fi
  test_postgres_run "'$bin/initdb' -D '$TEST_POSTGRES_DIR/data' -A trust -U postgres -E UTF8 --locale=C --no-sync" >/dev/null
  test_postgres_run "'$bin/pg_ctl' -D '$TEST_POSTGRES_DIR/data' -l '$TEST_POSTGRES_DIR/log' -w start \
    -o \"-k '$TEST_POSTGRES_DIR' -c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200\"" >/dev/null
}

test_postgres_stop() {
  test_postgres_run "'$(postgres_bin)/pg_ctl' -D '$TEST_POSTGRES_DIR/data' -m immediate stop" >/dev/null 2>&1 || true
  rm -rf "$TEST_POSTGRES_DIR"
}
