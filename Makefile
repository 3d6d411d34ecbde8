# `make help` lists the targets. Everything lives in .venv; nothing needs sudo.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --retries 10
SAMPLE := docs/sample/astronaut.png
DEMO := build/demo/astronaut.emojified.png
UV := uv==0.13.8
# The tests of one module stay together: they share servers and processes.
PYTEST := $(BIN)/pytest -n 2 --dist loadscope --durations 10

.DEFAULT_GOAL := help
.PHONY: help demo test test-all crash install check format goldens emoji docs site sample bench fuzz evaluate \
        load hour wheel train-env lock licences audit sbom clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo ## Emojify the sample photo and say where the result lies
	@mkdir -p build/demo
	@$(BIN)/emojifier-bot replay $(SAMPLE) -o $(DEMO) --force
	@echo "The result lies at $(CURDIR)/$(DEMO)"

test: install ## Test in minutes what can break; ARGS="-k name" goes to pytest
	$(PYTEST) -m "not slow" $(ARGS)

test-all: install ## Run every test, with whole processes, databases and browsers
	$(PYTEST) $(ARGS)

install: .venv/.installed ## Make the environment in .venv, or bring it up to date

check: install ## Lint, check the format, the types and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

goldens: install ## Rewrite the golden pictures; look at each before you commit
	$(BIN)/pytest --update-goldens tests/golden

crash: install ## Kill the bot at every point, both databases; ARGS="--rounds 2" fewer
	$(BIN)/python -m tests.crash $(or $(ARGS),--write docs/reliability.md)

emoji: install ## Draw emojis/*/*.png from their SVG sources
	$(BIN)/python scripts/render_emoji.py

docs: install ## Rewrite the generated pages and .env.example
	$(BIN)/python scripts/render_docs.py

site: install ## Make the pictures of the public pages from the sample and the emoji
	$(BIN)/python scripts/render_site.py

sample: install ## Emojify the README's photo again, and cover it for docs/picking.md
	$(BIN)/emojifier-bot replay $(SAMPLE) --why --force
	for kind in solid mosaic blur; do \
		$(BIN)/emojifier-bot replay $(SAMPLE) -o docs/sample/astronaut.$$kind.webp \
			--cover $$kind --margin 0.5 --quality 80 --force; done
	$(BIN)/emojifier-bot replay $(SAMPLE) -o docs/sample/astronaut.chosen.webp \
		--as 1=sunglasses --number --quality 80 --force
	$(BIN)/python scripts/render_moving.py
	$(BIN)/python scripts/render_preview.py

bench: install ## Time the pipeline; ARGS goes to `emojifier-bot bench`
	$(BIN)/emojifier-bot bench $(ARGS)

fuzz: install ## Throw 20,000 damaged pictures at the decoder's process
	nice $(BIN)/python -m tests.fuzz $(ARGS)

evaluate: install ## Measure the models beside their targets; ARGS="emotion" one of them
	$(BIN)/emojifier-training evaluate $(or $(ARGS),--markdown docs/evaluation.md)

load: install ## Half an hour under load with faults, into docs/reliability.md
	$(BIN)/python -m tests.load $(or $(ARGS),--minutes 30 --share 0.8 --write)

hour: install ## One workspace attacks the others for an hour, into docs/security.md
	$(BIN)/python -m tests.load --hostile $(or $(ARGS),--minutes 60 --write)

wheel: install ## Build dist/emojifier_bot-*.whl
	@rm -f dist/emojifier_bot-*.whl
	$(BIN)/python -m hatchling build -t wheel

train-env: install ## Add torch and onnx to .venv, for training
	$(PIP) install --quiet --no-build-isolation -e "./training[train]"

lock: ## Pin the newest versions that pyproject.toml allows
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet $(UV)
	build/lock/bin/uv pip compile $(LOCK_OPTIONS) -c requirements/limits.in \
	    -o requirements/base.txt
	build/lock/bin/uv pip compile $(LOCK_OPTIONS) --group dev \
	    -c requirements/base.txt -o requirements/dev.txt
	build/lock/bin/uv pip compile $(GROUP_OPTIONS) --group build \
	    -c requirements/dev.txt -o requirements/build.txt
	build/lock/bin/uv pip compile $(GROUP_OPTIONS) --group supply \
	    -o requirements/supply.txt

# One file for every platform, one version for every Python: they draw the same picture.
# Hashes, and no word about an index.
GROUP_OPTIONS := --universal --python-version 3.11 --generate-hashes \
    --fork-strategy fewest --no-config --upgrade --quiet \
    --custom-compile-command 'make lock'
LOCK_OPTIONS := pyproject.toml --extra bot --extra video $(GROUP_OPTIONS)

licences: install build/supply/.installed ## Rewrite docs/licences.md
	$(BIN)/python scripts/render_licences.py build/supply/bin/pip-licenses

audit: build/supply/.installed ## Ask PyPI for known holes in what is locked
	build/supply/bin/pip-audit --strict --require-hashes --disable-pip \
	    -r requirements/base.txt $(ARGS)

sbom: build/supply/.installed ## Write dist/emojifier-bot.cdx.json, what the bot is made of
	@mkdir -p dist
	build/supply/bin/cyclonedx-py requirements requirements/base.txt \
	    --pyproject pyproject.toml --mc-type application --output-reproducible \
	    --spec-version 1.6 --output-format JSON -o dist/emojifier-bot.cdx.json

build/supply/.installed: requirements/supply.txt
	@$(PYTHON) -m venv build/supply
	@build/supply/bin/python -m pip install --quiet --require-hashes \
	    -r requirements/supply.txt
	@touch $@

clean: ## Remove caches and everything built, but not .venv
	rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
	    .ruff_cache
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml training/pyproject.toml requirements/dev.txt | .venv/bin/pip
	@echo "Installing into .venv ..."
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e . -e ./training
	@$(BIN)/python -m compileall -q emojifier_bot
	@touch .venv/.demo $@

# What the command needs, and no tools of developers.
.venv/.demo: pyproject.toml requirements/base.txt | .venv/bin/pip
	@echo "Installing into .venv ..."
	@$(PIP) install --quiet --require-hashes -r requirements/base.txt
	@$(PIP) install --quiet --no-deps -e .
	@touch $@

TOO_OLD := Emojifier Bot needs Python 3.11 or newer, and $(PYTHON) is older or missing. \
    Name a newer one, like this: make install PYTHON=python3.12
NO_VENV := $(PYTHON) cannot make an environment: its venv module is missing or broken. \
    On Debian and Ubuntu the package is python3-venv.

.venv/bin/pip:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "$(TOO_OLD)" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; echo "$(NO_VENV)" >&2; exit 1; }
