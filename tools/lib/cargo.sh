# Programs that cargo runs, such as `cargo nextest`. Sourced.

# Builds what is missing, without optimisation: that takes a fifth of the time, and neither tool computes much.
want() {
  cargo "$1" --version >/dev/null 2>&1 && return
  echo "==> cargo-$1 is missing: building it (minutes, once)"
  CARGO_PROFILE_DEV_DEBUG=false cargo install --locked --profile dev "cargo-$1"
}
