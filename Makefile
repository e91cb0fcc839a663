# Echo Lab. Everything that a target does is in lab/setup (python3 -m lab.setup): read there, or ask `make help`.
PYTHON ?= python3
SETUP := $(PYTHON) -m lab.setup
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help up down check test lint bench soak clean-images

help: ## this list
	@echo "Echo Lab: an echo server, an echo client, and a capture of every session."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 21
	@echo
	@echo "Variables (SERVER, CLIENT, ECHO_PORT, ...) are told at the top of compose.yaml."

up: ## install what is missing, build, start, show a first session
	@$(SETUP) up

down: ## stop the lab; the captures stay
	@$(SETUP) down

check: ## can the lab start here? installs nothing
	@$(SETUP) check

test: ## the whole test suite, with its own set-up
	@$(SETUP) test

lint: ## static checks only: ruff, mypy, import rules, shellcheck
	@$(SETUP) lint

bench: ## the measurements of tests/bench; ONLY="startup wire"
	@$(SETUP) bench $(ONLY)

soak: ## the long repeats of docs/soak.md; MINUTES=10, ONLY="fuzz"
	@$(SETUP) soak --minutes $(MINUTES) $(ONLY)

clean-images: ## remove the lab's images (not the base image)
	@$(SETUP) clean-images
