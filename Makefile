# The commands of this repository. Everything behind them is TypeScript in tools/, run by the pinned Bun.
BUN := node_modules/.bin/bun
.DEFAULT_GOAL := help

.PHONY: help setup serve test gen bench chaos soak compliance clean node

help:
	@echo "make setup   install what serving the examples needs (quick when it is there)"
	@echo "make serve   serve the FastAPI example on http://127.0.0.1:8000"
	@echo "make test    all checks and tests"
	@echo "make gen     write the generated files"
	@echo "make bench   measure against the other servers (scenario=NAME, rounds=N, seconds=N, quick=1)"
	@echo "make chaos   break a server under load in every way, account for each request (seed=N, seconds=S)"
	@echo "make soak    half an hour of all that at a modest rate: does memory grow, is anything left over (seconds=S, write=1)"
	@echo "make compliance  run the public protocol suites (suite=autobahn|h2spec|tls server=NAME), write docs/compliance.md"
	@echo "make clean   remove what these commands made"

setup: node
	@$(BUN) tools/setup.ts serve

serve: setup
	@$(BUN) tools/serve-example.ts

test: node
	@$(BUN) tools/setup.ts test
	@$(BUN) tools/test.ts

gen: node
	@$(BUN) tools/gen.ts

bench: node
	@$(BUN) tools/setup.ts bench
	@$(BUN) bench/macro/run.ts $(scenario) $(if $(rounds),--rounds $(rounds)) $(if $(seconds),--seconds $(seconds)) $(if $(quick),--quick)

chaos: node
	@$(BUN) tools/setup.ts chaos
	@$(BUN) tests/chaos/run.ts $(if $(seed),--seed $(seed)) $(if $(seconds),--seconds $(seconds))

soak: node
	@$(BUN) tools/setup.ts chaos
	@$(BUN) tests/chaos/run.ts --soak $(if $(seed),--seed $(seed)) $(if $(seconds),--seconds $(seconds)) $(if $(write),--write)

compliance: node
	@$(BUN) tools/setup.ts compliance
	@$(BUN) tests/compliance/run.ts $(or $(suite),all) $(if $(server),--server "$(server)")

clean:
	rm -rf node_modules .venv .cache coverage examples/django_site/db.sqlite3
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# node_modules as the lock file says; the stamp holds the checksum of what was installed.
node:
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer (nodejs and npm)"; exit 1; }
	@want="$$(cat package.json package-lock.json | cksum)"; \
	if [ "$$want" != "$$(cat node_modules/.stamp 2>/dev/null)" ]; then \
		npm ci --no-audit --no-fund --loglevel=error && echo "$$want" > node_modules/.stamp; \
	fi
