# A throw-away Postgres cluster for tests: Unix socket only, fsync off. Sourced.

# Where the server programs are; set-up made sure there are some.
test_postgres_bin() {
  if [ -n "${CULTIVAR_PG_BIN:-}" ]; then echo "$CULTIVAR_PG_BIN"; return; fi
  local dir
  for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) "$(dirname "$(command -v initdb)")"; do
    if [ -x "$dir/initdb" ]; then echo "$dir"; return; fi
  done
}

# Postgres refuses to run as root.
test_postgres_run() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$*"; else sh -c "$*"; fi; }

test_postgres_start() {
  TEST_POSTGRES_DIR=$(mktemp -d /tmp/cultivar-test.XXXXXX)
  TEST_POSTGRES_URL="postgres:///postgres?host=$TEST_POSTGRES_DIR&user=postgres"
  local bin
  bin=$(test_postgres_bin)
  if [ "$(id -u)" = 0 ]; then chown postgres "$TEST_POSTGRES_DIR"; fi
  test_postgres_run "'$bin/initdb' -D '$TEST_POSTGRES_DIR/data' -A trust -U postgres -E UTF8 --locale=C --no-sync" >/dev/null
  test_postgres_run "'$bin/pg_ctl' -D '$TEST_POSTGRES_DIR/data' -l '$TEST_POSTGRES_DIR/log' -w start \
    -o \"-k '$TEST_POSTGRES_DIR' -c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200\"" >/dev/null
}

test_postgres_stop() {
  test_postgres_run "'$(test_postgres_bin)/pg_ctl' -D '$TEST_POSTGRES_DIR/data' -m immediate stop" >/dev/null 2>&1 || true
  rm -rf "$TEST_POSTGRES_DIR"
}
