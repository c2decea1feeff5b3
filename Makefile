# `make` alone lists what there is to do. Nothing is installed outside .venv.

PYTHON     ?= python3
PIP_FLAGS  ?=
TEST_FLAGS ?= --numprocesses auto
PORT       ?= 8000
BUNDLE_FLAGS ?=

# Notebooks that run while the book is built show no progress bars.
export NST_TEACH_PROGRESS := 0

VENV := .venv
BIN  := $(VENV)/bin
PAGE := _build/html/index.html

PACKAGE := nst_teach_command.py $(shell find nst_teach nst_teach_checks -type f -not -path '*/__pycache__/*')

.DEFAULT_GOAL := help
.PHONY: help book serve test lint notebooks assets bundle clean

help:
	@echo "make book    install what is needed, run every chapter, build the book"
	@echo "make serve   build the book and show it at http://127.0.0.1:$(PORT)/"
	@echo "make test    install what is needed, check style, run all tests and all notebooks"
	@echo "make bundle  pack book, notebooks and package for a room without a network, into dist/"
	@echo "make clean   delete what these commands made, but keep the environment in $(VENV)"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter, PIP_FLAGS=... is passed to pip install."

book: $(VENV)/.ready-book notebooks assets _build/.current
	$(BIN)/jupyter-book build .
	@echo
	@echo "The book is built. Open it with a browser:"
	@echo "    file://$(CURDIR)/$(PAGE)"
	@echo "or run 'make serve' and go to http://127.0.0.1:$(PORT)/"

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

test: $(VENV)/.ready-test lint assets
	$(BIN)/python tools/assets.py --checks
	$(BIN)/python -m pytest $(TEST_FLAGS)

lint: $(VENV)/.ready-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python tools/notebooks.py --check
	$(BIN)/python tools/inventory.py --check

notebooks: $(VENV)/.ready-book
	$(BIN)/python tools/notebooks.py

assets: $(VENV)/.ready-book
	$(BIN)/python tools/assets.py

# BUNDLE_FLAGS=--wheels adds every package that is needed (gigabytes).
bundle: book $(VENV)/.ready-test
	$(BIN)/python tools/bundle.py $(BUNDLE_FLAGS)

clean:
	rm -rf _build dist book/_static/vendor tools/web/node_modules tools/web/checks/node_modules *.egg-info build
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find book exercises nst_teach nst_teach_checks tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Sphinx runs again only the pages whose text changed. When what they run on changed, all must be.
_build/.current: pyproject.toml _config.yml _toc.yml $(wildcard book/_extensions/*.py) tools/notebooks.py tools/handouts.py $(PACKAGE)
	@rm -rf _build && mkdir _build && touch $@

# One stamp for each extra of pyproject.toml: pip runs again only when that file changes.
$(VENV)/.ready-%: pyproject.toml | $(BIN)/python
	@echo "Installing what '$*' needs into $(VENV). The first time this fetches PyTorch (minutes)."
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) --editable ".[$*]"
	@$(BIN)/python -c "import torchvision.ops" || { \
	  echo "torch and torchvision do not fit together: install both from one index, then"; \
	  echo "run make again. PIP_FLAGS hands options to pip."; exit 1; }
	@touch $@

# ipywidgets 7, as on Colab; everything else is taken from the environment around it.
PACKAGES := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
$(VENV)/.ready-widgets7: $(VENV)/.ready-test
	$(BIN)/python -m venv --clear $(VENV)/widgets7
	$(BIN)/python $(PACKAGES) > "$$($(VENV)/widgets7/bin/python $(PACKAGES))/around.pth"
	$(VENV)/widgets7/bin/python -m pip install --disable-pip-version-check $(PIP_FLAGS) \
	  "ipywidgets>=7.8,<8"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is not."; \
	  echo "Name one that is, for example: make book PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
