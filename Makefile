# What a newcomer and CI run. Every target sets up what it needs, and skips what is there.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.PHONY: help setup demo test check openapi parity chaos schemathesis bench-queue bench-metrics bench-fleet bench-train bench-search bench-stats fuzz clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

setup: ## Install libtorch and Postgres where missing, build the web page and the binaries
	@tools/setup.sh build

demo: ## Train real trials on real images and open the leaderboard (DEMO_EXIT=1: end when done)
	@tools/setup.sh build demo-data
	@tools/demo.sh

test: ## Everything CI runs
	@tools/test.sh

check: ## Formatting, lints and documentation
	@tools/setup.sh build
	@tools/lint.sh

# BROKEN=fence, reaper or idempotency builds a server without it: the run must fail.
chaos: ## Break a running system by a seeded plan and check that nothing is lost (SEED=1 FAULTS=100; REAL=20: kill real trainers instead)
	@tools/setup.sh build faketime $(if $(REAL),demo-data)
	cargo build --release --workspace --bins --example fake_trainer $(addprefix --features cultivar-server/broken-,$(BROKEN))
	@$${CARGO_TARGET_DIR:-target}/release/cultivar-chaos --seed $(or $(SEED),1) $(if $(REAL),--real $(REAL),--faults $(or $(FAULTS),100))

schemathesis: ## Ask every operation of the API for right and wrong things: no 5xx, and a 2xx from each (SEED=1)
	@tools/setup.sh build schemathesis
	@.cultivar/schemathesis/bin/python tests/schemathesis/run.py $${CARGO_TARGET_DIR:-target}/release/cultivar-server --seed $(or $(SEED),1)

fuzz: ## Feed a parser hostile input: TARGET=trial_spec, search_space, metric_batch, archive or token (SECONDS=60)
	@tools/fuzz.sh "$(TARGET)" $(or $(SECONDS),60)

bench-queue: ## Ask and complete beside Optuna's storage and bare pgbench
	@tools/setup.sh build queue-peers
	cargo build --release --workspace --bins --example bench_queue
	@.cultivar/queue-peers/bin/python bench/queue/run.py $${CARGO_TARGET_DIR:-target}/release

bench-metrics: ## Metrics beside MLflow's store and a raw insert
	@tools/setup.sh build metrics-peers
	cargo build --release --workspace --bins --example bench_metrics
	@.cultivar/metrics-peers/bin/python bench/metrics/run.py $${CARGO_TARGET_DIR:-target}/release

bench-fleet: ## 10,000 idle workers through a restart of the server, and claims while a snapshot is open
	@tools/setup.sh build queue-peers
	cargo build --release --workspace --bins --example bench_fleet --example bench_queue
	@.cultivar/queue-peers/bin/python bench/fleet/run.py $${CARGO_TARGET_DIR:-target}/release

parity: ## Compare every training method with PyTorch and timm, and print one table
	@tools/parity.sh

bench-train: ## Training steps beside PyTorch eager, optimizer steps beside timm's
	@tools/setup.sh torch parity
	cargo build --release --workspace --example step_time --example optim_step
	@.cultivar/parity/bin/python bench/train/run.py $${CARGO_TARGET_DIR:-target}/release/examples/step_time
	@.cultivar/parity/bin/python bench/train/optim_step.py $${CARGO_TARGET_DIR:-target}/release/examples/optim_step

openapi: ## Regenerate openapi.json and the web's API types
	@tools/setup.sh build
	$${CARGO_TARGET_DIR:-target}/release/cultivar-server --print-openapi > openapi.json
	cd web && npm run --silent api

bench-search: ## Samplers beside Optuna's on recorded tables (HPO_TABLES=folder)
	@: $${HPO_TABLES:?set HPO_TABLES to the folder that holds the recorded tables}
	@[ -n "$$BENCH_PYTHON" ] || tools/setup.sh parity
	@bench/search/run.sh

bench-stats: ## Coverage of intervals, false claims and races on 10,000 simulated leaderboards
	cargo run --release -p cultivar-search --example bench_stats

clean: ## Remove what the build made; .cultivar (libtorch, packages, demo data) stays
	rm -rf target fuzz/target web/dist web/node_modules tests/browser/node_modules .cultivar/stamps/web
