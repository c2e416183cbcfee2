# Everything a person does with this checkout: `make` lists it.
#
#   PYTHON=python3.12 make demo     another interpreter for .venv
#   TORCH_INDEX=<url> make demo     torch and torchvision from another index, e.g. builds for CPUs
#   make exp-cnn-mnist ARGS="seed=1 trainer.max_epochs=3"     further overrides

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-print-directory
unexport PYTHONPATH PYTHONHOME

export PYTHON
export TORCH_INDEX
ARGS ?=
MULTIHEAD := .venv/bin/multihead
CONTAINERS := docker compose --profile gpu --profile cpu

# Tests see no setting of whoever runs them, but for where real data are.
SETTINGS := $(filter-out MULTIHEAD_DATA_DIR,\
	$(filter MULTIHEAD_% MLFLOW_% HYDRA_% OPTUNA_% PYTHONWARNINGS,$(.VARIABLES)))
# With compiled files, which some machines forbid Python to write, each process starts sooner.
PYTEST := unset $(SETTINGS) PYTHONDONTWRITEBYTECODE; .venv/bin/pytest --durations=10
# Tests hold for any number of threads; with one for each of its processes pytest is fastest.
IN_PARALLEL := export OMP_NUM_THREADS=1; $(PYTEST)
# Slower tests often wait, so there is one more at a time than there are cores. Those of a file
# share what they train; the files that take longest come first, as tests/conftest.py has it.
BY_FILE := --dist loadfile --no-loadscope-reorder
ONE_MORE := $$(($$(getconf _NPROCESSORS_ONLN) + 1))
COMPILE := .venv/bin/uv pip compile --quiet --python .venv/bin/python --python-version 3.11 \
	--universal --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" \
	-c tools/lock-constraints.txt

.PHONY: help setup setup-dev demo studies-ui test test-slow test-all lint format lock bench docs pictures ui doctor clean \
	up stop down backup restore images sbom test-compose \
	emhcm emhcc10 ecm evimh

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / { sub(/%/, "NAME", $$1); printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is needed to run, into .venv
	@tools/setup.sh runtime

setup-dev: ## Install what is needed to run and to develop, into .venv
	@tools/setup.sh dev

demo: setup ## Search loss weights on the digits that come with scikit-learn: twelve trainings
	@$(MULTIHEAD) study digits_quick $(ARGS)
	@echo "make ui shows these runs in the browser, make studies-ui the trials"

exp-%: setup ## Train experiments/experiment/NAME.yaml (write - for _)
	@$(MULTIHEAD) train experiment=$(subst -,_,$*) $(ARGS)

emhcm: exp-multihead-cnn-mnist ## Short for exp-multihead-cnn-mnist

emhcc10: exp-multihead-cnn-cifar10 ## Short for exp-multihead-cnn-cifar10

ecm: exp-cnn-mnist ## Short for exp-cnn-mnist

evimh: exp-vimh-cnn ## Short for exp-vimh-cnn

ui: setup ## Open the record of all runs in the browser
	@$(MULTIHEAD) ui $(ARGS)

studies-ui: setup ## Open optuna-dashboard on a study (NAME=digits_quick)
	@$(MULTIHEAD) study $(or $(NAME),digits_quick) --ui $(ARGS)

doctor: setup ## Tell what this machine and checkout can do
	@$(MULTIHEAD) doctor $(ARGS)

up: ## Start the platform in containers (PROFILE=gpu or cpu), and print its links
	@docker/up.sh $(PROFILE)

stop: ## Stop the containers; workers write checkpoints first, `make up` goes on
	@$(CONTAINERS) stop

down: ## Remove the containers; all data stay in their volumes
	@$(CONTAINERS) down

backup: ## Write databases and artifacts of the containers to one file (FILE=backups/DATE.tar)
	@docker/backup.sh $(FILE)

restore: ## Put a backup into containers without runs (FILE=...; FORCE=yes: with runs)
	@docker/restore.sh $(FILE)

images: ## Pin the base images to what their tags name in the registry today
	@tools/pin-images.sh docker-compose.yml docker/*.yml docker/Dockerfile

sbom: ## Write what each image holds to FOLDER=sbom, as CycloneDX
	@tools/sbom.sh $(FOLDER)

test-compose: setup-dev ## Run the tests of the containers; needs an engine, and MULTIHEAD_DATA_DIR with MNIST
	@$(PYTEST) -n 3 $(BY_FILE) -m compose $(ARGS)

bench: setup ## Measure how fast training is here
	@.venv/bin/python benchmarks/train_throughput.py $(ARGS)

test: setup-dev ## Run the tests that take seconds
	@$(IN_PARALLEL) -n auto -m "not slow and not compose" $(ARGS)

test-slow: setup-dev ## Run the tests that take longer
	@$(IN_PARALLEL) -n $(ONE_MORE) $(BY_FILE) -m slow $(ARGS)

test-all: test test-slow ## Run all tests

lint: setup-dev ## Check style and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

docs: setup-dev ## Build the documentation as a site: open build/site/index.html
	@# With --quiet, --strict would see no warning.
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict
	@echo "The site is in build/site: open build/site/index.html"

pictures: setup-dev ## Make the pictures of the documentation anew, from real runs; needs Chromium
	@unset $(SETTINGS); .venv/bin/python tools/pictures $(ARGS)

format: setup-dev ## Put the code into the project's format
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

lock: setup-dev ## Pin the dependencies anew after a change (ARGS=--upgrade: all at their newest)
	$(COMPILE) $(ARGS) pyproject.toml --extra build --extra gpu --extra postgres --extra server \
		-o requirements.lock
	$(COMPILE) $(ARGS) pyproject.toml --all-extras -c requirements.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra ray --extra s3 --extra slurm -c requirements-dev.lock \
		-o requirements-cluster.lock
	$(COMPILE) $(ARGS) tools/sbom.in -o tools/sbom.lock

clean: ## Remove .venv and caches (never runs/ or data/)
	rm -rf .venv .venv-old .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find $(wildcard platform tests benchmarks tools) -name __pycache__ -prune -exec rm -rf {} +
