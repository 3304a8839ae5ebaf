# Needs only make and Python >= 3.11.  `make` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 4000
WORKERS ?= logical
LOCKS := requirements.lock requirements-dev.lock
CHECKED = $(wildcard app bench hatch_build.py migrations tests)

# PYTHON=... chooses the interpreter; without it the first one found that is new enough is taken.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes --requirement

.PHONY: help run test test-fast coverage test-long lint format lock bench clean interpreter
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

# A stamp names the folder it was made in: scripts in an environment that moved name the old one.
MOVED := $(shell test ! -s $(VENV)/installed || test "$$(cat $(VENV)/installed)" = "$$(pwd)" || echo moved)
.PHONY: moved

run: $(VENV)/installed ## serve on 127.0.0.1:4000 (PORT=); simulated without ANTHROPIC_API_KEY
	@exec $(BIN)/tollkeeper serve --host 127.0.0.1 --port "$(PORT)" \
		$$(test -n "$$ANTHROPIC_API_KEY" || echo --simulate)

test: $(VENV)/installed-dev browser ## lint, types, import contracts and every test that fits 20 minutes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

FAST = tests/core tests/calls tests/dialects tests/config tests/telemetry

test-fast: $(VENV)/installed-dev ## the rules and the story alone: no process, no database, seconds
	@$(BIN)/python -m pytest -q -n $(WORKERS) $(FAST) $(ARGS)

coverage: $(VENV)/installed-dev ## branches of core, calls and dialects that those tests take: 98 %
	@$(BIN)/coverage run --source=app/core,app/calls,app/dialects -m pytest -q $(FAST) $(ARGS)
	@$(BIN)/coverage report --show-missing --skip-covered --fail-under=98

test-long: $(VENV)/installed-dev ## soak, fuzz, many kill rounds
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long $(ARGS)

lint: $(VENV)/installed-dev ## ruff, mypy and the import contracts, without the tests
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/python -m mypy $(CHECKED)
	@$(BIN)/python -c "from importlinter.cli import lint_imports_command as main; main()"

format: $(VENV)/installed-dev ## let ruff format and fix what it can
	@$(BIN)/ruff check --fix $(CHECKED)
	@$(BIN)/ruff format $(CHECKED)

bench: $(VENV)/installed-dev ## run the benchmarks
	@test -d bench || { echo "There is no bench/ folder yet."; exit 1; }
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --group build $(UPGRADE)

lock: $(VENV)/installed-dev ## pin the dependencies again (UPGRADE=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock

# Pages are tested in the system's Chromium, which pip does not bring.
BROWSERS := chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable
AS_ROOT := $(shell test "$$(id -u)" = 0 || ! command -v sudo >/dev/null || echo sudo -n)

.PHONY: browser
browser:
	@for name in $(TOLLKEEPER_TEST_CHROMIUM) $(BROWSERS); do \
		command -v "$$name" >/dev/null && exit 0; \
	done; \
	echo "Installing Chromium for the tests of pages ..."; \
	if command -v apt-get >/dev/null; then \
		{ $(AS_ROOT) apt-get -qq update && $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install --yes --no-install-recommends chromium; } >/dev/null 2>&1; \
	elif command -v dnf >/dev/null; then $(AS_ROOT) dnf -q -y install chromium >/dev/null 2>&1; \
	elif command -v apk >/dev/null; then $(AS_ROOT) apk add -q chromium >/dev/null 2>&1; \
	elif command -v pacman >/dev/null; then \
		$(AS_ROOT) pacman -Sq --noconfirm chromium >/dev/null 2>&1; \
	else false; fi || { \
		echo "NOT INSTALLED: no Chromium, so no test of the dashboard in a browser will run." >&2; \
		echo "Install it yourself, or name one: TOLLKEEPER_TEST_CHROMIUM=/path/to/chromium" >&2; \
	}

clean: ## remove the environment and every cache; data/ stays
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find $(wildcard app tests bench migrations) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was installed from, or it is made again. The development lock
# holds the runtime lock's pins, so that one environment serves both.
$(VENV)/installed: requirements.lock pyproject.toml $(VENV)/pyvenv.cfg $(MOVED)
	@echo "Installing Tollkeeper into $(VENV) ..."
	@$(INSTALL) requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@pwd > $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	@echo "Installing what tests need into $(VENV) ..."
	@$(INSTALL) requirements-dev.lock
	@touch $@

# Only PYTHON=... can make an environment stale: one of another version is made again.
$(VENV)/pyvenv.cfg: $(if $(PYTHON),interpreter)
	@for python in $(CANDIDATES); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
		python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Tollkeeper needs Python 3.11 or newer; looked for: $(CANDIDATES)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3 ..." >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python has no venv and ensurepip; on Debian and Ubuntu:" >&2; \
		echo "    apt install python3-venv" >&2; exit 1; \
	fi; \
	version=$$("$$python" -c 'import platform; print(platform.python_version())'); \
	if [ -f $@ ] && grep -q "^version = $$version" $@; then exit 0; fi; \
	echo "Creating $(VENV) with Python $$version ..."; \
	"$$python" -m venv --clear $(VENV)
