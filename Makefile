# Every target sets up what it needs first (scripts/setup.sh); a second run finds it done.
.DEFAULT_GOAL := help
.PHONY: help demo run test check soak bench image image-test screenshots setup lock clean
PYTHON := .venv/bin/python
COMPILE := .venv/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: ## Gateway, real CLI and a stand-in for Anthropic: no account needed (PORT=4000)
	@scripts/setup.sh demo && exec $(PYTHON) scripts/demo.py

run: ## The gateway for real, on http://127.0.0.1:4000
	@scripts/setup.sh run && exec .venv/bin/gunicorn -c config/gunicorn.conf.py wsgi:app

test: ## The test suite (ARGS="-k name" picks tests)
	@scripts/setup.sh dev && exec $(PYTHON) -m pytest $(ARGS)

check: ## Lint, format and types
	@scripts/setup.sh dev && .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy

soak: ## 100 sign-ins, 10,000 requests during a rotation, 200 streams half dropped, 200 conversations apart, 52 byte by byte
	@scripts/setup.sh dev && exec $(PYTHON) -m pytest tests/e2e/test_many_sign_ins.py tests/api/test_keys.py tests/claude/test_continuity_cli.py tests/api/test_stream.py -s --wizard-runs 100 --requests 200 --rotation-requests 10000 --conversations 13

bench: ## The benchmarks (ARGS passes options)
	@scripts/setup.sh dev && exec $(PYTHON) -m bench $(ARGS)

image: ## The container's image, by docker or buildah (TARGET=demo: the demo's)
	@exec scripts/image.sh build $(TARGET)

image-test: ## Build the image without a Docker daemon, and run it (root; minutes)
	@scripts/image.sh tools && scripts/setup.sh dev && exec $(PYTHON) -m pytest tests/image/checks.py $(ARGS)

screenshots: ## The pictures of the main pages in docs/screenshots
	@scripts/setup.sh dev && exec $(PYTHON) -m scripts.screenshots

setup: ## Install everything for development, and nothing else
	@scripts/setup.sh dev

lock: ## Pin the Python requirements anew (ARGS=--upgrade takes newer versions)
	@scripts/setup.sh dev && for name in requirements requirements-sandbox requirements-dev requirements-clients; do $(COMPILE) $(ARGS) -o $$name.txt $$name.in || exit; done

clean: ## Remove what was installed, caches and the demo's data; var/ otherwise stays
	@rm -rf .venv .venv-clients node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis var/demo && find . -name __pycache__ -type d -prune -exec rm -rf {} +
