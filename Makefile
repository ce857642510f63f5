# Everything a person needs types `make <target>`; `make help` lists them.
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin

# Tests wait for processes half of the time: four at once keep two cores busy.
TESTERS = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 2)')

# Tests and demo start many processes: with Python's cache of compiled code each start costs a third less.
unexport PYTHONDONTWRITEBYTECODE

# The parts that are wanted: of the proof in pytest's words, make proof ONLY='rabbitmq or wheel'; of the release check
# by their names, make release-check ONLY='image chaos'.
ONLY ?=

# Pins that pyproject.toml allows stay as they are, but for `make constraints UPGRADE=1`.
UPGRADE ?=

.PHONY: upgrade-check released-state help install develop demo test proof search check matrix release-check site format bench chaos overload \
  screenshots up constraints clean

# Two installations at once would break .venv.
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "%-14s %s\n", $$1, $$2 }'

# Each target installs what it needs and no more: the extra of pyproject.toml after which such a file is named.
.venv/.installed-%: pyproject.toml client/pyproject.toml constraints.txt | $(BIN)/pip
	@echo "== Installing the extra $* and what it depends on into .venv"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[$*]' $(if $(filter test check,$*),-e ./client)
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Willcall needs Python >= 3.11. To name another one: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot create environments with pip. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

install: .venv/.installed-dev ## set up .venv with the willcall command in it

develop: install .venv/.installed-test .venv/.installed-check .venv/.installed-docs ## add the tools of tests and checks

demo: install ## fulfil orders from five simulated providers, end to end
	$(BIN)/willcall demo

test: .venv/.installed-test ## run the tests, two minutes on two cores
	$(BIN)/python -m pytest -n $(TESTERS) -m "not proof"

proof: .venv/.installed-test ## run what takes longer: crashes, failover, the demo, the wheel, deep search; ONLY='demo or wheel' selects
	$(BIN)/python -m pytest -n $(TESTERS) -m proof $(if $(ONLY),-k "$(ONLY)")
	$(if $(ONLY),,$(MAKE) search)

search: .venv/.installed-test ## search for inputs that break a promise: twenty times what `make test` tries
	$(BIN)/python -m pytest -n $(TESTERS) --hypothesis-profile proof -m hypothesis

matrix: ## run unit, contract and property tests on each Python that is found of 3.11 to 3.14
	.ci/matrix

upgrade-check: install ## upgrade from the last release and go back, with orders in every stage: four minutes
	.ci/upgrade

released-state: install ## write the state of the last release for the tests: make released-state VERSION=1.0.0
	.ci/upgrade --dump tests/fixtures/released-state/$(VERSION).json

release-check: .venv/.installed-test .venv/.installed-release ## run what a release needs besides, by hand: every Python, image, chaos; ONLY='image chaos' selects
	.ci/release-check $(ONLY)

check: .venv/.installed-check site ## lint, types, layers, words, documentation: what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python docs/check_words.py

site: .venv/.installed-docs ## build docs/ as a site into var/site, strictly: a link that leads nowhere ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: .venv/.installed-check ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.installed-bench ## measure against plain Celery, some minutes: docs/performance.md and its pictures
	$(BIN)/python -m bench.performance
	$(BIN)/python -m bench.board

# As many runs as there are seeds: make chaos SEEDS=1
SEEDS ?= 1 2 3

chaos: .venv/.installed-test ## kill everything at random and check that nothing was lost: a score card per seed in docs/chaos/
	for seed in $(SEEDS); do $(BIN)/python -m bench.chaos --seed $$seed || exit 1; done

overload: install ## more due than one worker can poll: nothing multiplies, all drains; a slow provider delays no other
	$(BIN)/python -m bench.overload
	$(BIN)/python -m bench.overload --crowd

screenshots: .venv/.installed-test ## take the pictures of Flower and the board anew, from the running demo
	$(BIN)/python -m docs.screenshots

up: install ## everything on this machine, for development
	$(BIN)/willcall up

constraints: .venv/.installed-release ## pin every dependency, for every Python and system; UPGRADE=1 takes the newest
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	  --custom-compile-command 'make constraints' $(if $(UPGRADE),--upgrade) -o constraints.txt pyproject.toml client/pyproject.toml

clean: ## remove what the targets made
	rm -rf .venv .venv-* .venv-servers .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var
