# make demo | test | test-gpu | check | bench | corpus | format | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALLED := $(VENV)/.installed
COMPAT := $(VENV)/.compat

.PHONY: demo test test-gpu check bench corpus format clean

demo: $(INSTALLED)
	$(BIN)/python examples/demo.py

# The comparison with TensorFlow runs in a process of its own, so that the other tests show what works without it.
test: check $(COMPAT)
	$(BIN)/python -m pytest tests
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest compat_tests

# What the fixtures and the recorded functions ask, on a GPU; `make test` keeps to the CPU.
test-gpu: $(INSTALLED)
	$(BIN)/python -m pytest --device cuda tests/test_device.py tests/layers/test_fixtures.py tests/layers/test_every_layer.py \
		tests/ops tests/saving/test_archive.py tests/lowering/test_parallel.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(COMPAT)
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.loading

# Some forty model files that others published, fetched by name and hash (100 MB), against their recorded outputs.
corpus: $(COMPAT)
	test -d corpus/files || $(BIN)/python ../shared/corpus/fetch_corpus.py corpus
	KERASTORCH_CORPUS=corpus TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/saving/test_corpus.py compat_tests/test_corpus.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix --quiet --exit-zero .
	$(BIN)/ruff format .

# torch first and by its version alone: a CPU build at hand (PIP_FIND_LINKS) is then taken.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "kerastorch needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" || { echo "$(PYTHON) has no venv: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) -e ".[dev,svg]"
	touch $@

$(COMPAT): $(INSTALLED)
	$(INSTALL) -e ".[compat]"
	$(INSTALL) --no-deps tf_keras
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
