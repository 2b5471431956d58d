PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test lint docs bench

demo: $(INSTALLED)  ## make the synthetic cohort and run the whole study on it
	$(BIN)/stratacam demo demo

test: $(INSTALLED)  ## run every test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)  ## check format, style and types
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy

docs: $(INSTALLED)  ## fill the generated blocks of the documentation from the code
	$(BIN)/python docs/generate.py

bench: $(INSTALLED)  ## measure time and memory of the maps, against other libraries
	$(BIN)/pip install -q --no-deps -r benchmarks/peers.txt && $(BIN)/python -m benchmarks.engine

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[imagenet,dev]'
	touch $@
