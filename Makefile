# `make help` lists what there is. The work is done by scripts/.

.PHONY: help run test test-wide bench fuzz chaos deps clean-data
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Build and start Sallyport with a first configuration and a throwaway SSH target
	@scripts/run.sh

test: ## Run everything: format, lints, unit and end-to-end tests
	@scripts/test.sh

test-wide: ## Run what takes too long for `make test`: newer clients, 5 GiB files, hundreds of keep-alives
	@scripts/test-wide.sh

bench: ## Measure against direct SSH, ProxyJump and direct RDP; prints two tables
	@scripts/bench.sh

fuzz: ## Fuzz every parser: TIME=3600 seconds for each, TARGETS="screen tape" for some
	@scripts/fuzz.sh $(or $(TIME),60) $(TARGETS)

chaos: ## Kill, cut, fill and stop at random while people work: TIME=1h, SEED=n for the same again
	@scripts/chaos.sh $(or $(TIME),10m) $(SEED)

deps: ## Install what building, running and testing need (apt)
	@scripts/deps.sh test

clean-data: ## Remove ./data: keys, database, recordings
	@scripts/clean-data.sh
