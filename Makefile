# make demo    install into .venv and run the main job: train, evaluate and explain GhostFace
# make test    install into .venv and run the fast tests on every Keras backend that is there
# make docs    install into .venv and build the documentation as a site into build/site
# make dist    build the sdist and both wheels into dist, install and try the wheels on every Python that is there
# make web-package  build the npm package fer-keras-web, models included, into build/web
# make container  build the image of fer-keras-lite, or take its steps by hand where there is no Docker
# make coverage  run fast and slow tests and print how many lines of the packages they reach
# make install, make test-slow, make lint, make links, make clean

.PHONY: help demo install test test-slow coverage lint links docs dist web-package container clean

# The first Python of a supported version. PYTHON=... names another one.
FIND = for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done
PYTHON ?= $(shell $(FIND))
PY = .venv/bin/python
# The files are compiled at their first import: most of what TensorFlow brings is never imported.
INSTALL = $(PY) -m pip install --quiet --no-compile
PYTEST = $(PY) -m pytest --numprocesses 2 --dist worksteal
COVERAGE = --cov --cov-append --cov-report=
# What `make dist` tries the wheel on.
PYTHONS ?= python3.11 python3.12 python3.13

help:
	@sed -n 's/^# //p' Makefile | head -8

demo: .venv/demo.installed
	@echo "== Training, evaluating and explaining GhostFace on synthetic faces"
	.venv/bin/fer demo

install: .venv/test.installed

test: .venv/test.installed
	@echo "== Fast tests, TensorFlow backend"
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow"
	@echo "== Fast tests of what computes with Keras, JAX backend"
	KERAS_BACKEND=jax $(PYTEST) -m "backend and not slow"
	@if $(PY) -c "import torch" 2>/dev/null; then \
		echo "== Fast tests of what computes with Keras, PyTorch backend"; \
		KERAS_BACKEND=torch $(PYTEST) -m "backend and not slow"; \
	else echo "== PyTorch is not installed: its backend is not tested"; fi

test-slow: .venv/test.installed
	@echo "== Slow tests, TensorFlow backend"
	KERAS_BACKEND=tensorflow $(PYTEST) --dist loadfile -m "slow and not alone"
	KERAS_BACKEND=tensorflow $(PY) -m pytest -m alone
	@echo "== Examples in docstrings"
	KERAS_BACKEND=tensorflow $(PYTEST) --doctest-modules fer_layers fer_data fer_models
	@echo "== Slow tests of what computes with Keras, JAX backend"
	KERAS_BACKEND=jax $(PYTEST) -m "backend and slow and not alone"

coverage: .venv/test.installed
	@echo "== Fast and slow tests, with the lines that they reach"
	rm -rf build/coverage
	mkdir -p build/coverage
	KERAS_BACKEND=tensorflow $(PYTEST) $(COVERAGE) -m "not alone"
	KERAS_BACKEND=tensorflow $(PY) -m pytest $(COVERAGE) -m alone
	KERAS_BACKEND=jax $(PYTEST) $(COVERAGE) -m "backend and not alone"
	$(PY) -m coverage report --skip-covered
	@for package in fer_layers fer_models fer_data; do \
		echo "$$package: $$($(PY) -m coverage report --include="$$package/*" --format=total) %"; done

lint: .venv/test.installed
	@echo "== ruff, the spelling and the types"
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -m mypy
	@$(MAKE) --no-print-directory links

links: .venv/test.installed
	@echo "== Links, anchors and pictures of all pages, without the network"
	PYTHONPATH=tests $(PY) -m helpers.links

docs: .venv/docs.installed
	@echo "== Building the documentation into build/site, warnings are errors"
	PATH="$(CURDIR)/.venv/bin:$$PATH" NO_MKDOCS_2_WARNING=1 TF_CPP_MIN_LOG_LEVEL=3 \
		$(PY) -m mkdocs build --clean --config-file docs/site/mkdocs.yml

dist: .venv/created
	@echo "== Building sdist, the wheel from it, and the wheel of fer-keras-lite, into dist"
	$(INSTALL) build
	rm -rf dist
	$(PY) -m build --outdir dist .
	$(PY) -m build --wheel --outdir dist packaging/lite
	@set -e; for python in $(PYTHONS); do \
		if ! $$python -c "" 2>/dev/null; then echo "== $$python is not here: not tried"; continue; fi; \
		echo "== The wheels in clean environments: $$($$python --version)"; \
		rm -rf build/clean build/lite; $$python -m venv build/clean; $$python -m venv build/lite; \
		build/clean/bin/python -m pip install --quiet --no-compile dist/fer_keras-*.whl; \
		cp tests/helpers/installed.py build/clean/installed.py; \
		(cd build/clean && TF_CPP_MIN_LOG_LEVEL=3 bin/python installed.py); \
		build/lite/bin/python -m pip install --quiet --no-compile dist/fer_keras_lite-*.whl; \
		cp tests/helpers/installed_lite.py build/clean/face.png build/lite; \
		(cd build/lite && bin/python installed_lite.py face.png); \
	done

web-package: .venv/test.installed
	@echo "== Building the npm package with its models into build/web"
	$(PY) packages/web/build.py
	npm pack --pack-destination build/web ./packages/web

container: .venv/test.installed
	@if docker info >/dev/null 2>&1; then \
		echo "== Building the image fer-keras-lite, and asking its command for its version"; \
		docker build -t fer-keras-lite . && docker run --rm --entrypoint fer fer-keras-lite --version; \
	else \
		echo "== Docker is not here: the Dockerfile's steps by hand, in build/container"; \
		rm -rf build/container && $(PY) tests/helpers/container_steps.py build/container; \
	fi

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/created:
	@echo "== Making the virtual environment .venv"
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 on the path; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --upgrade pip
	touch .venv/created

.venv/demo.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras into .venv"
	$(INSTALL) --editable .
	touch .venv/demo.installed

.venv/test.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras and what its tests need into .venv"
	$(INSTALL) --editable ".[test]"
	touch .venv/test.installed .venv/demo.installed

.venv/docs.installed: pyproject.toml | .venv/created
	@echo "== Installing fer-keras and what its documentation needs into .venv"
	$(INSTALL) --editable ".[docs]"
	touch .venv/docs.installed .venv/demo.installed
