# Everything runs in .venv, which the first command sets up; later ones reuse it.
# uv is used where it is installed, pip otherwise. PYTHON chooses the interpreter.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

ifneq ($(shell command -v uv 2>/dev/null),)
CREATE := uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
INSTALL := uv pip install --quiet --python $(BIN)/python
else
CREATE := $(PYTHON) -m venv $(VENV)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
endif

.PHONY: help train test test-all lint format docs bench clean

help:
	@echo "make train     set up, train MFQ on 64 v 64 Battle for a few minutes, show the results"
	@echo "make test      set up and run the fast tests"
	@echo "make test-all  the slow tests too"
	@echo "make lint      ruff and pyright;  make format lets ruff rewrite"
	@echo "make docs      the documentation, into site/"
	@echo "make bench     throughput, compile time and memory against the number of agents"
	@echo "make clean     remove the environment and everything built; runs/ stays"

# An earlier run is never overwritten: the next free folder is taken.
train: $(VENV)/.ready
	@run=runs/first-battle; n=2; \
	while [ -e $$run ]; do run=runs/first-battle-$$n; n=$$((n + 1)); done; \
	$(BIN)/swarmfield train mfq battle --opponent random --env-steps 128000 --num-envs 16 \
		--run-dir $$run

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow"

test-all: $(VENV)/.ready-test
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.ready-docs
	PYTHONPATH=docs/hooks $(BIN)/zensical build --clean --strict

bench: $(VENV)/.ready-test
	$(BIN)/swarmfield bench

clean:
	rm -rf $(VENV) build dist site .cache *.egg-info .pytest_cache .ruff_cache .hypothesis
	find swarmfield tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Swarmfield needs Python 3.11 or newer and '$(PYTHON)' is not:" \
			"install one and name it, for example make train PYTHON=python3.12."; exit 1; }
	@$(CREATE) || { \
		echo "Could not create $(VENV) with '$(PYTHON)':" \
			"install its venv module (on Debian and Ubuntu the package python3-venv)."; exit 1; }
	@touch $@

$(VENV)/.ready: $(VENV)/.created pyproject.toml
	@echo "Installing Swarmfield into $(VENV) ..."
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.ready-%: $(VENV)/.created pyproject.toml
	@echo "Installing Swarmfield into $(VENV), with what '$*' needs ..."
	@$(INSTALL) -e '.[$*]'
	@touch $@
