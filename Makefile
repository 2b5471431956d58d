PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-long lint docs bench

demo: $(INSTALLED)  ## make the synthetic cohort and run the whole study on it
	$(BIN)/stratacam demo demo

test: $(INSTALLED)  ## run the tests that take seconds: nearly all
	$(PYTEST) -m "not long"

test-long: $(INSTALLED)  ## run the others: large cohorts, real scans, commands that are interrupted and resumed
	$(PYTEST) -m long

lint: $(INSTALLED)  ## check format, style and types
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy

docs: $(INSTALLED)  ## fill the generated blocks of the documentation from the code
	$(BIN)/python docs/generate.py

bench: $(INSTALLED)  ## measure time and memory of the maps, against other libraries
	$(BIN)/pip install -q --no-deps -r benchmarks/peers.txt && $(BIN)/python -m benchmarks.engine

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[imagenet,video,dev]'
	touch $@
