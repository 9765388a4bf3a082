# Firstline. `make` alone lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE := $(or $(FIRSTLINE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/firstline)
DENY_VERSION := 0.20.2
DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny

.PHONY: help demo test test-domain check build crds bench bench-rules soak oracles clean cluster

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: cluster ## Acme's incident from commit to Resolved, then stays up; KUBECONTEXT=name on a cluster of yours
	@cargo build --bin firstline
	@cargo build -p tests --bin demo
	@KUBECONTEXT="$(KUBECONTEXT)" target/debug/demo

# End-to-end tests wait for real clocks most of the time: more side by side than there are cores usually.
test: export RUST_TEST_THREADS ?= 8
test: cluster oracles ## Everything: unit, snapshot, architecture and end-to-end tests
	@promtool=$$(tests/oracles/prometheus.sh --check)/usr/bin/promtool; cd examples/prometheus; \
	  $$promtool check rules firstline-rules.yaml && $$promtool test rules firstline-rules.test.yaml
	@cargo build --bin firstline
	@cargo test --workspace --no-fail-fast

test-domain: ## The rules of support alone, without a cluster and without the oracles
	@cargo test -p domain

check: ## Format, lints, licences and bans
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory crds
	@git diff --exit-code --stat crds || { echo "crds/ differs from the code: commit what 'make crds' wrote" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(DENY)
	@$(DENY) --log-level error check bans licenses sources
	@if ! said=$$($(DENY) --log-level error check advisories 2>&1); then \
	  case "$$said" in \
	    *"failed to fetch advisory database"*) echo "check: advisories were skipped, the advisory database cannot be reached";; \
	    *) echo "$$said" >&2; exit 1;; \
	  esac; \
	fi

$(DENY):
	@echo "installing cargo-deny $(DENY_VERSION) (once) ..." >&2
	@cargo install --quiet --locked --version $(DENY_VERSION) --root $(CACHE)/cargo-deny-$(DENY_VERSION) cargo-deny

build: ## The release binary, target/release/firstline
	@cargo build --release --bin firstline

crds: ## Writes crds/ from the code
	@cargo run --quiet --bin firstline -- crds --dir crds

bench: cluster build ## Start-up time, memory and API writes of the release binary
	@cargo run --quiet --release -p tests --bin bench

bench-rules: build ## What each rule of support costs, one call, beside its bar
	@cargo run --quiet --release -p tests --features bench --bin bench_rules

soak: cluster build ## The rules over a million cases each, then crashes at the points of a thousand seeds
	@cargo run --quiet --release -p tests --bin soak

oracles: ## Fetches what tests compare with and step clocks with, once: Python libraries, Alertmanager, promtool, libfaketime
	@tests/oracles/python.sh >/dev/null
	@tests/oracles/alertmanager.sh >/dev/null
	@tests/oracles/prometheus.sh >/dev/null
	@tests/oracles/faketime.sh >/dev/null

cluster: ## Builds kube-apiserver, etcd, kubectl and mailpit once, into a cache
	@tests/cluster/build.sh >/dev/null

clean: ## Removes what was built here; the cache of test servers stays
	@cargo clean
