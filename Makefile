# One command per verb; `make` alone lists them. Only `make` itself, a POSIX shell and a Python
# with venv are needed: everything else is installed into .venv, in the versions of constraints.txt.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab check test bench lint format outputs constraints clean

BIN := .venv/bin

# The first Python that is new enough and can make a complete venv (Debian keeps a part of it in a
# package of its own). PYTHON=... chooses another one.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)
BARE_PYTHON = $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)

# A venv knows the folder it was made in, so the stamps carry a checksum of that folder: after a
# move there is no stamp, and the venv is made anew. The same when its Python has gone.
MADE := .venv/made-$(shell pwd | cksum | cut -d' ' -f1)
$(shell test ! -e .venv || $(BIN)/python -c '' 2>/dev/null || rm -f .venv/made-*)

# Outputs are compared where they were made: on Linux with the pinned versions. /dev/null for
# CONSTRAINTS takes the newest versions instead.
CONSTRAINTS := constraints.txt
NBVAL := $(if $(filter Linux,$(shell uname)),--nbval,--nbval-lax)
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable

# With the oldest Python that the course runs on, so that the others can have the same versions.
COMMA := ,
PINNING := .venv/pinning
freeze = python3.11 -m venv --clear $(PINNING) \
	&& $(PINNING)/bin/pip install --quiet --constraint $(2) '$(1)' \
	&& $(PINNING)/bin/pip freeze --exclude devops-lab > $(3)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(MADE)-lab ## open the course (installs it the first time; OPTIONS="--lesson 02 --no-browser")
	@$(BIN)/devops-lab $(OPTIONS)

check: $(MADE)-lab ## which of the course's real tools this machine has
	@$(BIN)/devops-lab check

# Servers under real load share the machine with the other tests. What failed is run once more, by
# itself: a test that fails there, too, is red.
PYTEST = $(BIN)/python -m pytest -r fEs $(NBVAL) --nbval-current-env --nbval-cell-timeout=60 \
	--nbval-sanitize-with tests/sanitise.cfg
test: $(MADE)-test ## run every test: package, doctests, lessons, browser, benchmarks, style (OPTIONS for pytest)
	@rm -rf .pytest_cache
	@$(PYTEST) --numprocesses auto --dist loadfile $(OPTIONS) tests devops_lab notebooks \
	|| { test $$? = 1 && echo "Once more, by itself, what failed (and wants mending all the same):" \
		&& $(PYTEST) $$($(BIN)/python tests/failed_files.py); }

bench: $(MADE)-test ## print the measurements that the design's budgets ask for
	@for benchmark in tests/bench_*.py; do $(BIN)/python $$benchmark $(OPTIONS) || exit 1; done

lint: $(MADE)-test ## check the style
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(MADE)-test ## put the style right where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

outputs: $(MADE)-test ## run every lesson and store the outputs that the tests compare
	$(BIN)/python tests/store_outputs.py $(OPTIONS)

constraints: ## choose the newest versions again, for everything and for Binder
	$(call freeze,.[all$(COMMA)test],/dev/null,constraints.txt)
	$(call freeze,.[simulation$(COMMA)ansible],constraints.txt,binder/requirements.txt)
	rm -rf $(PINNING)

clean: ## remove what was installed and cached; your work/ stays
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis
	find devops_lab tests -name __pycache__ -exec rm -rf {} +

$(MADE):
	@$(if $(PYTHON),,$(if $(BARE_PYTHON),$(error $(BARE_PYTHON) cannot make a venv; on Debian and Ubuntu: sudo apt install $(BARE_PYTHON)-venv),$(error no Python 3.11 or newer here; get one from your system or python.org, or name it: make PYTHON=/path/to/python3)))
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear .venv
	@touch $@

$(MADE)-lab: $(MADE) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the course into .venv (once, some minutes, about 1 GB)"
	@$(INSTALL) '.[all]'
	@$(BIN)/devops-lab warm
	@touch $@

$(MADE)-test: $(MADE) pyproject.toml $(CONSTRAINTS)
	@echo "Installing the course and what its tests need into .venv"
	@$(INSTALL) '.[all,test]'
	@touch $@
