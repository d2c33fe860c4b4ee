# make demo    install into .venv and run the main job: train, evaluate and explain GhostFace
# make test    install into .venv and run the fast tests on every Keras backend that is there
# make docs    install into .venv and build the documentation as a site into build/site
# make dist    build wheel and sdist into dist, install and import the wheel on every Python that is there
# make test-slow, make lint, make clean

.PHONY: help demo test test-slow lint docs dist clean

# The first Python of a supported version. PYTHON=... names another one.
FIND = for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done
PYTHON ?= $(shell $(FIND))
PY = .venv/bin/python
PYTEST = $(PY) -m pytest --numprocesses 2 --dist worksteal
# What runs on every Keras backend.
BACKEND_TESTS = tests/fer_layers $(wildcard $(addprefix tests/fer_models/, \
	families zoo training evaluation explain privacy robustness auditing export recognizer spotting))
# What `make dist` tries the wheel on.
PYTHONS ?= python3.11 python3.12 python3.13

help:
	@sed -n 's/^# //p' Makefile | head -5

demo: .venv/demo.installed
	@echo "== Training, evaluating and explaining GhostFace on synthetic faces"
	$(PY) examples/train_ghostface.py --config examples/demo.json --data-dir runs/data --output runs/demo

test: .venv/test.installed
	@echo "== Fast tests, TensorFlow backend"
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow"
	@echo "== Fast tests of layers and models, JAX backend"
	KERAS_BACKEND=jax $(PYTEST) -m "not slow" $(BACKEND_TESTS)
	@if $(PY) -c "import torch" 2>/dev/null; then \
		echo "== Fast tests of layers and models, PyTorch backend"; \
		KERAS_BACKEND=torch $(PYTEST) -m "not slow" $(BACKEND_TESTS); \
	else echo "== PyTorch is not installed: its backend is not tested"; fi

test-slow: .venv/test.installed
	@echo "== Slow tests, TensorFlow backend"
	KERAS_BACKEND=tensorflow $(PYTEST) --dist loadfile -m "slow and not alone"
	KERAS_BACKEND=tensorflow $(PY) -m pytest -m alone
	@echo "== Slow tests of layers and models, JAX backend"
	KERAS_BACKEND=jax $(PYTEST) -m "slow and not alone" $(BACKEND_TESTS)

lint: .venv/test.installed
	@echo "== ruff"
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

docs: .venv/docs.installed
	@echo "== Building the documentation into build/site, warnings are errors"
	PATH="$(CURDIR)/.venv/bin:$$PATH" NO_MKDOCS_2_WARNING=1 TF_CPP_MIN_LOG_LEVEL=3 \
		$(PY) -m mkdocs build --clean --config-file docs/site/mkdocs.yml

dist: .venv/created
	@echo "== Building sdist, and the wheel from it, into dist"
	$(PY) -m pip install --quiet build
	rm -rf dist
	$(PY) -m build --outdir dist .
	@set -e; for python in $(PYTHONS); do \
		if ! $$python -c "" 2>/dev/null; then echo "== $$python is not here: not tried"; continue; fi; \
		echo "== The wheel in a clean environment: $$($$python --version)"; \
		rm -rf build/clean; $$python -m venv build/clean; \
		build/clean/bin/python -m pip install --quiet dist/*.whl; \
		cp tests/helpers/installed.py build/clean/installed.py; \
		(cd build/clean && TF_CPP_MIN_LOG_LEVEL=3 bin/python installed.py); \
	done

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis

.venv/created:
	@echo "== Making the virtual environment .venv"
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 on the path; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --upgrade pip
	touch .venv/created

.venv/demo.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras into .venv"
	$(PY) -m pip install --quiet --editable .
	touch .venv/demo.installed

.venv/test.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras and what its tests need into .venv"
	$(PY) -m pip install --quiet --editable ".[test]"
	touch .venv/test.installed .venv/demo.installed

.venv/docs.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras and what its documentation needs into .venv"
	$(PY) -m pip install --quiet --editable ".[docs]"
	touch .venv/docs.installed .venv/demo.installed
