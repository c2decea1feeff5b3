# `make` alone lists what there is to do. All of it is done by course.py, which needs no make.
# Settings are those of course.py: `make test PIP_FLAGS=... TEST_FLAGS=...`.

PYTHON ?= python3
export PYTHON

TARGETS := book slides pdf serve test lint notebooks assets bench bundle clean

.DEFAULT_GOAL := help
.PHONY: help $(TARGETS) FORCE
.NOTPARALLEL: # two installations into one environment would disturb each other

help $(TARGETS):
	@$(PYTHON) course.py $@

# What an extra of pyproject.toml needs, and (widgets7) the old widgets of Colab.
.venv/.ready-%: FORCE
	@$(PYTHON) course.py ready-$*
