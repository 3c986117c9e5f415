# The two commands: make demo, make test. Both make .venv and install everything themselves.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
DATA ?= .data
BIN := $(VENV)/bin
# Else each process of a run compiles all that it imports anew: the workers of the tests, and what they start.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed $(VENV)/.assets ## Run everything with the demo network (PORT=8000, DATA=.data)
	@exec $(BIN)/spurwechsel demo --port $(PORT) --data $(DATA)

test: $(VENV)/.installed-test $(VENV)/.assets ## Run the test suite against a real PostgreSQL
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not smoke and not slow and not torture and not browser" $(ARGS)

slow: $(VENV)/.installed-test ## Run the tests that take more than a few seconds each
	$(BIN)/python -m pytest -n auto -m slow $(ARGS)

torture: $(VENV)/.installed-test ## Run what takes minutes: random operations, faults under load; print the figures
	$(BIN)/python -m pytest -m torture --capture=no --verbose $(ARGS)

search-scale: $(VENV)/.installed-test ## Measure search at size (SIZE=100000 ENGINE=local or meilisearch)
	PYTHONPATH=.:graphql $(BIN)/python tests/search/scale.py --size $(or $(SIZE),100000) --engine $(or $(ENGINE),local) $(ARGS)

search-quality: $(VENV)/.installed-test ## Measure what search finds (PAGES=, QUESTIONS=, ENGINE=, PART=, JSON=1)
	@PYTHONPATH=.:graphql $(BIN)/python tests/search/measure.py $(if $(PAGES),--pages "$(PAGES)") \
	  $(if $(QUESTIONS),--questions "$(QUESTIONS)") $(if $(ENGINE),--engine $(ENGINE)) \
	  $(if $(PART),--part $(PART)) $(if $(JSON),--json) $(ARGS)

page-weights: $(VENV)/.installed-test $(VENV)/.assets ## Print what each page of the demo weighs, and its time to the first byte
	@PYTHONPATH=.:graphql $(BIN)/python tests/web/pace.py weights $(ARGS)

page-pace: $(VENV)/.installed-test ## Measure the search page at size beside a load of GraphQL (SIZE=100000)
	@PYTHONPATH=.:graphql $(BIN)/python tests/web/pace.py pace --size $(or $(SIZE),100000) $(ARGS)

smoke: $(VENV)/.installed-test ## Start the demo, run every document in graphql/operations, stop it
	$(BIN)/python -m pytest -m smoke $(ARGS)

browser: $(VENV)/.installed-test $(VENV)/.assets ## Open the pages of the demo in Chromium, check them with axe, keep screenshots
	$(BIN)/python -m pytest -n auto --dist loadfile -m browser $(ARGS)

check: $(VENV)/.installed-lint ## Lint, format, types, import directions, layout
	test ! -e graphql/__init__.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests
	$(BIN)/lint-imports

schema: $(VENV)/.installed ## Write graphql/schema.graphql anew
	$(BIN)/spurwechsel schema > graphql/schema.graphql

constraints: ## Pin the newest versions that fit pyproject.toml, in constraints.txt
	rm -rf build/constraints && $(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --editable '.[test,lint]'
	{ echo "# Versions that are tested together; written by make constraints."; \
	  build/constraints/bin/pip freeze --exclude-editable --exclude pip --exclude setuptools; } > constraints.txt

clean: ## Remove the virtual environment and the demo's data
	rm -rf $(VENV) $(DATA) build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[meaning]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.installed-lint: $(VENV)/.installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

# Without npm's files the pages are plain; that must not keep anybody from starting.
$(VENV)/.assets: $(VENV)/.installed graphql/graphapi/web/assets/package-lock.json
	@$(BIN)/spurwechsel assets && touch $@ || echo "The pages will be plainly styled."

.PHONY: help demo test slow torture search-quality search-scale page-weights page-pace smoke browser check schema constraints clean
