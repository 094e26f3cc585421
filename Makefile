# What a person does with this repository. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := $(CURDIR)/.tools/bin

.PHONY: help
help: ## List the targets and the demo's settings
	@echo 'Targets:'
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'
	@echo
	@go run ./examples/demo -help

.PHONY: demo
demo: ## Serve the demo panel, Loki and, if installed, Grafana on loopback
	@mkdir -p $(BIN)
	@echo 'building the panel and the demo …'
	@go build -o $(BIN)/ ./examples/demo ./examples/adminpanel
	@exec $(BIN)/demo

.PHONY: test
test: ## Set up what the tests need and run them all
	@tools/test

.PHONY: lint
lint: linters ## Run the linters
	@tools/test lint

.PHONY: dashboards
dashboards: ## Write the dashboards and alert rules anew from dashboards/generate
	@cd dashboards/generate && go run . -out ../..

.PHONY: pictures
pictures: loki prometheus ## Take docs/pictures anew, of a demo of its own (needs Chromium, and Grafana as the demo does)
	@go build -o $(BIN)/ ./examples/demo ./examples/adminpanel
	@cd e2e && go test -count 1 -p 1 -tags pictures -timeout 20m -run '^(TestInGrafana|TestPictures)$$' ./dashboards ./viewer -args -pictures $(CURDIR)/docs/pictures

.PHONY: bench
bench: ## Run the benchmarks
	@cd bench && go test -run '^$$' -bench . ./...

.PHONY: fuzz
fuzz: ## Fuzz every parser and encoder for a minute each
	@tools/fuzz

.PHONY: test-containers
test-containers: tools ## Run docker-compose.yml in containers and kill them, if there is an engine
	@cd e2e && go test -tags containers -timeout 45m -v ./containers

.PHONY: test-kubernetes
test-kubernetes: tools kubernetes ## Install the chart in a real cluster of one node, as root, and take its pods away
	@cd e2e/kubernetes && go test -tags kubernetes -run 'TestCluster$$' -timeout 45m -v .

.PHONY: soak
soak: tools ## Keep Loki's cluster under fire for 20 minutes (SOAK=1h for an hour)
	@cd e2e && go test -timeout 0 ./cluster -v -soak $(or $(SOAK),20m)

.PHONY: clean
clean: ## Remove built programs and the demo's data
	rm -rf .tools .data

# The pinned programs, each from a module of its own below tools/. The go
# command knows what is current: a second time this takes a second.
.PHONY: tools loki prometheus versitygw helm linters
tools: loki prometheus versitygw helm linters ## Build all pinned programs (the first time takes minutes)

loki: ## Build Grafana Loki (5 to 8 minutes on two cores)
	$(call build,loki,github.com/grafana/loki/v3/cmd/loki,-X github.com/grafana/loki/v3/pkg/util/build.Version=$(call pinned,loki,github.com/grafana/loki/v3))

prometheus: ## Build Prometheus and promtool (4 minutes)
	$(call build,prometheus,github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool)

versitygw: ## Build the S3 server that the tests of Loki's cluster keep a bucket in
	$(call build,versitygw,github.com/versity/versitygw/cmd/versitygw)

helm: ## Build Helm, which the tests of the chart render it with (4 minutes)
	$(call build,helm,helm.sh/helm/v4/cmd/helm)

.PHONY: caddy
caddy: ## Build Caddy, a peer in bench/proxy (5 minutes; no test needs it)
	$(call build,caddy,github.com/caddyserver/caddy/v2/cmd/caddy)

.PHONY: collector
collector: ## Build the OpenTelemetry Collector, a peer in bench/collector (5 minutes; no test needs it)
	$(call build,collector,.)

.PHONY: release-tools release-snapshot
release-tools: ## Build what makes a release: goreleaser, cyclonedx-gomod, cosign (15 minutes; no test needs it)
	$(call build,release,github.com/goreleaser/goreleaser/v2 github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod github.com/sigstore/cosign/v3/cmd/cosign)

release-snapshot: release-tools ## Build into dist what a release would hold, unsigned
	@tools/release/build --snapshot

# Beside its own programs: what runs containers, what knows names, and what makes
# the definitions of an operator's kinds.
.PHONY: kubernetes
kubernetes: export CGO_ENABLED = 0
kubernetes: ## Build Kubernetes and what test-kubernetes needs beside it (10 minutes; no other test does)
	$(call build,kubernetes,$(addprefix k8s.io/kubernetes/cmd/,kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl),$(addprefix -X k8s.io/component-base/version.,gitVersion=v$(KUBERNETES) gitMajor=1 gitMinor=$(word 2,$(subst ., ,$(KUBERNETES)))) -X k8s.io/client-go/pkg/version.gitVersion=v$(KUBERNETES))
	$(call build,kubernetes,go.etcd.io/etcd/server/v3,,etcd)
	$(call build,containerd,$(addprefix github.com/containerd/containerd/v2/cmd/,containerd containerd-shim-runc-v2 ctr),-X github.com/containerd/containerd/v2/version.Version=$(call pinned,containerd,github.com/containerd/containerd/v2))
	$(call build,coredns,.)
	$(call build,controller-gen,sigs.k8s.io/controller-tools/cmd/controller-gen)

KUBERNETES = $(call pinned,kubernetes,k8s.io/kubernetes)

linters: ## Build golangci-lint, govulncheck, actionlint and benchstat (4 minutes)
	$(call build,lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint golang.org/x/vuln/cmd/govulncheck golang.org/x/perf/cmd/benchstat)
	$(call build,actionlint,github.com/rhysd/actionlint/cmd/actionlint)

# $(call pinned,MODULE,DEPENDENCY) is the version of a dependency, without its v.
pinned = $(shell sed -nE 's|^(require)?[[:space:]]*$(2) v([0-9.]+).*|\2|p' tools/$(1)/go.mod)

# $(call build,MODULE,PACKAGES,LDFLAGS,NAME); a workspace or flags of the caller's
# are none of its business. NAME is for a package that is named otherwise than its program.
define build
@mkdir -p $(BIN)
@echo 'building $@: the first time this takes minutes …'
@ldflags="-s -w $(3)" && cd tools/$(1) && GOWORK=off GOFLAGS= go build -buildvcs=false -ldflags "$$ldflags" -o $(BIN)/$(4) $(2)
endef
