# Everything a person needs types `make <target>`; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
SITE_STAMP := .venv/.installed-site

# Tests wait for processes half of the time: three at once keep two cores busy.
TESTERS = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')

# Tests and demo start many processes: with Python's cache of compiled code each start costs a third less.
unexport PYTHONDONTWRITEBYTECODE

# The parts that are wanted: of the proof in pytest's words, make proof ONLY='rabbitmq or wheel'; of the release check
# by their names, make release-check ONLY='image chaos'.
ONLY ?=

.PHONY: help install demo test proof search check matrix release-check site format bench chaos overload \
  screenshots up constraints clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

install: $(STAMP) ## set up .venv with the willcall command in it

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Willcall needs Python >= 3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,check]' -e ./client
	@touch $@

demo: install ## fulfil orders from five simulated providers, end to end
	$(BIN)/willcall demo

test: install ## run the tests, two minutes on two cores
	$(BIN)/python -m pytest -n $(TESTERS) -m "not proof"

proof: install ## run what takes longer: crashes, failover, the demo, the wheel, deep search; ONLY='demo or wheel' selects
	$(BIN)/python -m pytest -n $(TESTERS) -m proof $(if $(ONLY),-k "$(ONLY)")
	$(if $(ONLY),,$(MAKE) search)

search: install ## search for inputs that break a promise: twenty times what `make test` tries
	$(BIN)/python -m pytest -n $(TESTERS) --hypothesis-profile proof -m hypothesis

matrix: ## run unit, contract and property tests on each Python that is found of 3.11 to 3.14
	.ci/matrix

release-check: install ## run what a release needs besides, by hand: every Python, image, chaos; ONLY='image chaos' selects
	.ci/release-check $(ONLY)

check: install site ## lint, types, layers, words, documentation: what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python docs/check_words.py

site: $(SITE_STAMP) ## build docs/ as a site into var/site, strictly: a link that leads nowhere ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(SITE_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

format: install ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: install ## measure against plain Celery, some minutes: docs/performance.md and its pictures
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench.performance
	$(BIN)/python -m bench.board

# As many runs as there are seeds: make chaos SEEDS=1
SEEDS ?= 1 2 3

chaos: install ## kill everything at random and check that nothing was lost: a score card per seed in docs/chaos/
	for seed in $(SEEDS); do $(BIN)/python -m bench.chaos --seed $$seed || exit 1; done

overload: install ## more due than one worker can poll: nothing multiplies, all drains; a slow provider delays no other
	$(BIN)/python -m bench.overload
	$(BIN)/python -m bench.overload --crowd

screenshots: install ## take the pictures of Flower and the board anew, from the running demo
	$(BIN)/python -m docs.screenshots

up: install ## everything on this machine, for development
	$(BIN)/willcall up

constraints: ## pin what is installed now, for reproducible installs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,check,docs]' -e ./client
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools | sed "1i \# Pins for reproducible installs; \`make constraints\` writes them anew." > constraints.txt

clean: ## remove what the targets made
	rm -rf .venv .venv-3.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache var
