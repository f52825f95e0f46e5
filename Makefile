# `make` says what there is. Python is the one of .venv (README), or another: make bench PYTHON=python3.
PYTHON ?= .venv/bin/python

.PHONY: help bench bench-full

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST)

bench: ## measure everything in a short form, in under ten minutes; one JSON line each
	$(PYTHON) bench/all.py

bench-full: ## measure everything at full size, medians of 3 runs, with the peers (needs npm); takes an hour
	$(PYTHON) bench/all.py --full
