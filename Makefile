# What a person does with this repository. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets and the demo's settings
	@echo 'Targets:'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-8s %s\n", $$1, $$2}'
	@echo
	@go run ./examples/demo -help

.PHONY: demo
demo: ## Serve the demo panel, Loki and, if installed, Grafana on loopback
	@mkdir -p .tools/bin
	@echo 'building the panel and the demo …'
	@go build -o .tools/bin/ ./examples/demo ./examples/adminpanel
	@exec .tools/bin/demo

.PHONY: test
test: ## Set up what the tests need and run them all
	@tools/test

.PHONY: lint
lint: ## Run the linters
	@go run ./tools/build golangci-lint govulncheck
	@tools/test lint

.PHONY: tools
tools: ## Build the pinned Loki, promtool and linters (the first time takes minutes)
	@go run ./tools/build

.PHONY: bench
bench: ## Run the benchmarks
	@cd bench && go test -run '^$$' -bench . ./...

.PHONY: clean
clean: ## Remove built programs and the demo's data
	rm -rf .tools .data
