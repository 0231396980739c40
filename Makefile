# `make demo` sets up everything and runs the main job; `make test` sets up what is missing and runs the whole suite.
.DEFAULT_GOAL := help
.PHONY: help setup demo test unit check format up down bench lock types clean
BIN := .venv/bin
PACKAGES := schemas streams api projections inference infra tests

help:  ## what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup:  ## the environment in .venv; downloads only what is missing
	@infra/bootstrap

up: setup  ## the stack in the background, ready when this returns
	@$(BIN)/sightlog up $(UP)

down:  ## stop the stack; what it stored stays
	@$(BIN)/sightlog down

demo: up  ## the main job on real media and readings, checked at every step
	@$(BIN)/sightlog demo

test: setup  ## the whole suite on the real local stack
	@$(BIN)/python -m pytest $(T)

unit: setup
	@$(BIN)/python -m pytest tests/unit -W error

check: setup  ## format, lint, types, imports, unit tests
	@$(BIN)/ruff format --check $(PACKAGES)
	@$(BIN)/ruff check $(PACKAGES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/unit -W error -q

format: setup
	@$(BIN)/ruff format $(PACKAGES)
	@$(BIN)/ruff check --fix $(PACKAGES)

bench: up  ## figures: command to readable, replay
	@$(BIN)/python -m tests.bench

types: setup  ## message types from the schemas
	@$(BIN)/python -m schemas.generate

lock: setup  ## resolve requirements.in and kafka.toml anew
	@$(BIN)/uv pip compile --upgrade --generate-hashes --no-annotate --no-header --universal --python-version 3.11 \
		--quiet requirements.in -o requirements.lock
	@echo uv | $(BIN)/uv pip compile --upgrade --generate-hashes --no-annotate --no-header --universal \
		--python-version 3.11 --quiet - -o infra/uv.lock.txt
	@$(BIN)/python -m infra.local.kafka relock

clean:  ## forget everything the local stack stored
	@if [ -x $(BIN)/sightlog ]; then $(BIN)/sightlog down; fi
	@rm -rf var
