# Everything there is to do here, on a fresh clone with python3 (3.11 or later), cargo and make.
# `make help` lists the targets. Tools and packages live in .venv, and so do the stamps that say
# what is installed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMPS := $(VENV)/.stamps

# Seconds that `make run` lasts, and `make fuzz` for each of its targets; empty is their default.
SECONDS ?=
SEEDS ?= 1000
# Of `make wheels`, for which machines.
TARGETS ?=
# Of `make mutants`, the number of one; empty are all.
ONLY ?=
# Processes that the Python tests are shared out to: more than two cores, as many tests wait.
WORKERS ?= 6
# Without bytecode that is kept, each process here would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

# What the Python tests came to; the scorecard can read it.
TOLD := target/tests.xml

# Where the campaigns are that the scorecard plays, too.
CAMPAIGNS := bookfeed.scorecard.campaigns

CARGO_FLAGS := --workspace --locked
RUST_SOURCES := $(shell find rust/bookfeed-core/src rust/bookfeed-py/src -name '*.rs') \
	$(wildcard rust/bookfeed-*/Cargo.toml) Cargo.toml Cargo.lock

.PHONY: help setup run run-rolling test lint lint-rust lint-python lint-rooms test-rust test-python \
	test-quick test-long wheel wheels crowd kills bench bench-quick instructions instructions-kept \
	fuzz fuzz-quick campaign arbitrage mutants autobahn hostile memory memory-quick oracles score \
	score-quick score-tested \
	sinks-cost index-cost dashboard-frames score-page soak soak-faults rolling rolling-day services versus nautilus \
	another-cpython picture clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What is installed. Packages are compiled as they are imported: most of what they bring never is.
INSTALL := -m pip install --quiet --no-compile

$(PY):
	scripts/venv $(VENV)

# `pip install --group` is known to pip from 25.1 on.
$(STAMPS)/tools: pyproject.toml | $(PY)
	$(PY) $(INSTALL) --upgrade 'pip>=25.1'
	$(PY) $(INSTALL) --group dev
	@mkdir -p $(STAMPS) && touch $@

# The compiled part is built in the profile that ships.
$(STAMPS)/extension: $(STAMPS)/tools $(RUST_SOURCES)
	@command -v cargo >/dev/null || { echo "cargo is not on PATH: see https://rustup.rs" >&2; exit 1; }
	$(BIN)/maturin develop --release --quiet --extras rest,zstd,kalshi
	@touch $@

# Not beside the extension: two of pip at once are too many for one environment.
$(STAMPS)/bench-tools: $(STAMPS)/tools | $(STAMPS)/extension
	$(PY) $(INSTALL) --group bench
	@touch $@

setup: $(STAMPS)/extension ## build the extension and install everything into .venv

# The main job.

run: setup ## two simulated venues, books and signals across them; SECONDS=N, else Ctrl-C
	@$(BIN)/bookfeed run --demo $(if $(SECONDS),--seconds $(SECONDS))

run-rolling: setup ## the same with windows of rolling series, which come and go; SECONDS=N
	@$(BIN)/bookfeed run --sim --config examples/rolling.toml $(if $(SECONDS),--seconds $(SECONDS))

# Whether it is right.

# Two at a time, as most of what cargo and mypy do needs one core; the Python tests share out theirs.
test: ## everything: linters, types, stubs, Rust tests, Python tests
	$(MAKE) -j2 lint test-rust tests/__pycache__
	$(MAKE) test-python

lint: lint-rust lint-python lint-rooms ## formatting, clippy, docs, crates and licences, ruff, mypy, stubs, docstrings, imports

lint-rust: | $(PY)
	cargo fmt --all --check
	cargo fmt --check --manifest-path rust/fuzz/Cargo.toml
	cargo fmt --check --manifest-path benches/peers/Cargo.toml
	cargo clippy $(CARGO_FLAGS) --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(CARGO_FLAGS) --no-deps --quiet
	$(PY) scripts/crates.py

lint-python: setup $(STAMPS)/bench-tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(PY) -m mypy
	$(PY) -m mypy.stubtest bookfeed._bookfeed
	$(PY) scripts/face.py

# Which part may know which: contracts in pyproject.toml.
lint-rooms: setup
	$(BIN)/lint-imports --no-cache --no-logo

test-rust:
	cargo test $(CARGO_FLAGS) --quiet

# What tests assert is rewritten where they are read first: once, not by each of the workers.
tests/__pycache__: | $(STAMPS)/extension
	$(PY) -m pytest --collect-only -q >/dev/null

# Tests that share what is expensive to make stay on one worker.
test-python: setup
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup --junitxml=$(TOLD)

services: setup ## installs Redis, PostgreSQL, Prometheus and a browser, which tests of sinks need
	scripts/services install
	scripts/services list

test-quick: setup ## the Python tests that take no time
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m 'not slow'

# What has a short form there. Each takes its share of them from tests/lengths.py.
LONGER = $(shell grep -lE '^from lengths import|^from spot_captures import' tests/test_*.py)

test-long: setup ## what make test plays a little of, TIMES=N (4) as far: more seeds, longer recordings
	BOOKFEED_TIMES=$(or $(TIMES),4) $(PY) -m pytest -n $(WORKERS) --dist loadgroup $(LONGER)

campaign: setup ## SEEDS=N seeded fault runs of each simulated venue: never wrong while live
	$(PY) -m $(CAMPAIGNS).polymarket --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).kalshi --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue binance --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue kraken --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue coinbase --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue bitstamp --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue gemini --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue cryptocom --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).binance_kraken --venue gemini-v2 --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).coinbase_gemini_second --venue coinbase --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).coinbase_gemini_second --venue gemini --seeds $(SEEDS)

arbitrage: setup ## SEEDS=N two-venue scenarios full of traps: no signal may be false
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi --seeds $(SEEDS)
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_quiet --seeds $(SEEDS)

hostile: setup ## SEEDS=N mutated recordings: errors of ours alone, each within a second
	$(PY) tests/hostile.py --seeds $(SEEDS)

mutants: setup ## the source broken in 30 ways, one by one: a suite must fail each time; ONLY=N
	$(PY) -m bookfeed.scorecard.mutants $(if $(ONLY),--only $(ONLY))

oracles: setup ## CASES=N random books, windows and contracts against slow readings (default 100,000)
	$(PY) tests/oracles.py --cases $(or $(CASES),100000)

autobahn: setup ## the Autobahn suite at the client and at the server; it needs Python 2.7
	scripts/autobahn

fuzz: ## every fuzz target for SECONDS=N each (default 600)
	scripts/fuzz $(or $(SECONDS),600)

fuzz-quick: ## every fuzz target for 10 seconds
	scripts/fuzz 10

memory: setup ## SEEDS=N: the native listener under valgrind, every case and N random wires
	$(PY) tests/memory.py --seeds $(SEEDS)

memory-quick: setup ## the same with every case and 10 random wires
	$(PY) tests/memory.py --seeds 10

score-quick: setup ## the scorecard in its short form, a few minutes: one line for each row
	$(BIN)/bookfeed score --quick

# Rows that were measured one by one, with `bookfeed score ID… --keep`, as a page.
KEPT ?= target/score-kept
score-page: setup ## docs/scorecard.md and the README's figures from what KEPT=DIR has
	$(PY) scripts/scorecard.py $(KEPT)

# With what `make test` has just told, whose tests need not be run twice.
score-tested: setup ## the same right after make test, whose tests are not run twice
	$(BIN)/bookfeed score --quick --tests $(TOLD)

score: setup ## all of it, an hour and a half or so; an hour more unless mutants were played before
	$(BIN)/bookfeed score --full

soak: setup ## ten million frames through one engine; its memory must stay flat
	$(PY) -m $(CAMPAIGNS).polymarket_soak

soak-faults: setup ## MINUTES=N (30) of faults over sockets, all venues, 400 books held against the truth
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_sockets $(if $(MINUTES),--seconds $$(($(MINUTES) * 60)))

crowd: setup ## CLIENTS=N (10000) at the server; some that read nothing, flood it, or say nothing
	$(PY) -m $(CAMPAIGNS).polymarket_crowd full --clients $(or $(CLIENTS),10000)
	for play in stalled flood loris; do $(PY) -m $(CAMPAIGNS).polymarket_crowd $$play; done

kills: setup ## KILLS=N (100) of Redis, NATS, PostgreSQL and the server at random moments: nobody is misled
	BOOKFEED_SINK_KILLS=$(or $(KILLS),100) $(PY) -m pytest -q -k "believes_what_it_must_not or loses_nothing_and_has_nothing_twice" tests

rolling: setup ## for a minute 50 markets a second come and go; nothing of them may stay
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_churn
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_churn --venue kalshi

rolling-day: setup ## 24 hours of eight rolling series on two venues, by a virtual clock; a change of clocks
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_rolling
	$(PY) -m $(CAMPAIGNS).polymarket_kalshi_rolling --start 2026-11-01T00:00:00+00:00

# How fast it is.

bench: setup $(STAMPS)/bench-tools ## all benchmarks; writes benches/BENCHMARKS.md
	$(PY) -m benches.report

bench-quick: setup $(STAMPS)/bench-tools ## about a minute, prints; for a look, not for the record
	$(PY) -m benches.report --quick

sinks-cost: setup $(STAMPS)/bench-tools ## what all sinks at once, 200 dashboards and servers that stall cost the feed
	$(PY) -m benches.sinks_cost $(if $(ROUNDS),--rounds $(ROUNDS))

index-cost: setup ## what work on an index costs the feed: the demo of one price with it and without
	$(PY) -m benches.index_cost $(if $(ROUNDS),--rounds $(ROUNDS))

dashboard-frames: setup $(STAMPS)/bench-tools ## how smoothly the dashboard draws 2,000 changes a second; SCREENS=DIRECTORY
	$(PY) -m benches.dashboard $(if $(SCREENS),--screens $(SCREENS))

# Tables of it, each by itself; printed, and with KEEP=DIRECTORY kept until all of them are there.
bench-polymarket bench-kalshi bench-binance bench-spot bench-stages bench-questions bench-saturated \
bench-paced-plain-1000 bench-paced-plain-10000 bench-paced-plain-100000 bench-paced-tls-10000 \
bench-growth bench-sinks: bench-%: setup $(STAMPS)/bench-tools
	$(PY) -m benches.report --only $* $(if $(KEEP),--keep $(KEEP))

instructions: ## instructions a frame of each stage, held to those that are kept; needs valgrind
	@command -v valgrind >/dev/null || { echo "valgrind is not on PATH: it counts them" >&2; exit 1; }
	cargo bench --locked --quiet -p bookfeed-core --bench instructions

instructions-kept: ## counts them anew and keeps them
	cargo bench --locked --quiet -p bookfeed-core --bench instructions -- write

# What others make of the same faults.

VERSUS := target/versus
VERSUS_PYTHON ?= python3.13

$(VERSUS)/.installed: pyproject.toml
	PYTHON=$(VERSUS_PYTHON) scripts/venv $(VERSUS)
	$(VERSUS)/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	$(VERSUS)/bin/python $(INSTALL) --group versus
	@touch $@

versus: setup $(VERSUS)/.installed ## the same faults at other clients' book code; writes docs/versus.md
	$(PY) -m benches.versus.report --others $(VERSUS)/bin/python --cases $(VERSUS)/cases

# What row C2 of the scorecard compares books with, without what its order book does not need.
NAUTILUS := target/nautilus

$(NAUTILUS)/.installed: pyproject.toml
	scripts/venv $(NAUTILUS)
	$(NAUTILUS)/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	$(NAUTILUS)/bin/python $(INSTALL) --no-deps --group nautilus
	@touch $@

nautilus: $(NAUTILUS)/.installed ## nautilus_trader in an environment of its own, for the scorecard's row C2

# Another CPython, in which row A5 of the scorecard plays the same seeds; the extension is the same.
ANOTHER := target/another-cpython
ANOTHER_PYTHON ?= $(VERSUS_PYTHON)

$(ANOTHER)/.installed: pyproject.toml
	PYTHON=$(ANOTHER_PYTHON) scripts/venv $(ANOTHER)
	$(ANOTHER)/bin/python $(INSTALL) --upgrade 'pip>=25.1'
	$(ANOTHER)/bin/python $(INSTALL) --group another-cpython
	@touch $@

another-cpython: $(ANOTHER)/.installed ## another CPython beside, for the scorecard's row A5; ANOTHER_PYTHON=NAME

# What is shipped.

wheel: $(STAMPS)/tools ## dist/*.whl, its content checked against the allow-list
	rm -rf dist
	$(BIN)/maturin build --release --quiet --out dist
	$(PY) scripts/wheel_content.py dist/*.whl

# Each target needs its standard library: `rustup target add TARGET`.
wheels: $(STAMPS)/tools ## wheels for other machines, linked by zig; TARGETS='TARGET …', else Linux
	$(PY) $(INSTALL) --group wheels
	rm -rf dist
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/wheels $(TARGETS)

picture: setup ## docs/images/demo.svg, drawn from the demo as it runs; needs tmux
	@command -v tmux >/dev/null || { echo "tmux is not on PATH: the demo runs in it" >&2; exit 1; }
	$(PY) scripts/picture.py docs/images/demo.svg

clean: ## remove everything that was built or installed
	rm -rf $(VENV) dist target rust/fuzz/target python/bookfeed/*.so
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
