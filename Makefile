# Every target that carries a "##" comment is listed by `make help`.

GO      ?= go
TOOLS   := $(CURDIR)/.tools
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/fault-project/fault/cmd/internal/app.Version=$(VERSION)

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.8.0
TOXIPROXY_VERSION     := v2.12.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/fault for this machine
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/fault ./cmd/fault

.PHONY: build-static
build-static: ## Build bin/fault-static without cgo (no code index, everything else)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/fault-static ./cmd/fault

.PHONY: cross
cross: ## Check that the static binary builds for the other systems
	for target in linux/arm64 darwin/arm64 windows/amd64; do \
		echo "build $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/fault || exit 1; \
	done

.PHONY: test
test: ## Run the tests
	$(GO) test ./...

.PHONY: race
race: ## Run the tests in random order under the race detector
	$(GO) test -race -shuffle=on ./...

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Vet, lint and check the formatting
	$(GO) vet ./...
	$< run ./...
	$< fmt --diff ./...

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Format the code
	$< fmt ./...

.PHONY: vuln
vuln: $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION) ## Look for known vulnerabilities in what the code calls
	$< ./...

.PHONY: generate
generate: ## Write the generated reference pages anew
	$(GO) test ./cmd/internal/app -run TestReferencePages -update

.PHONY: golden
golden: ## Write the golden files anew; read the difference before committing it
	@pkgs=$$(grep -rlE 'flag\.Bool\("update"|golden\.Update' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); \
	for p in $$pkgs; do $(GO) test $$p -update || exit 1; done

.PHONY: bench
bench: build $(TOOLS)/toxiproxy-$(TOXIPROXY_VERSION) ## Measure against toxiproxy and plain proxies in one run (BENCH=-quick: a minute)
	$(GO) build -o $(BIN)/bench ./proxyengine/bench
	$(BIN)/bench -fault $(BIN)/fault -toxiproxy $(TOOLS)/toxiproxy-$(TOXIPROXY_VERSION) $(BENCH)

# As many as fit, where the limit of open files is lower and may not be raised.
.PHONY: bench-idle
bench-idle: build $(TOOLS)/toxiproxy-$(TOXIPROXY_VERSION) ## Check what 10,000 idle connections cost, under ulimit -n 30000
	$(GO) build -o $(BIN)/bench ./proxyengine/bench
	ulimit -n 30000 2>/dev/null || true; \
	$(BIN)/bench -fault $(BIN)/fault -toxiproxy $(TOOLS)/toxiproxy-$(TOXIPROXY_VERSION) -only idle -idle 10000 -fit -rounds 1 -strict

.PHONY: lint-sample
lint-sample: ## Draw findings of fault lint in public packages, and plant faults that its rules must find
	$(GO) run ./tools/lintsample

# Only wheels: nothing of a package is run. Without them the Python rows of bench-retrieval are left out.
PYTHON_CORPUS := click==8.3.0 requests==2.32.5 jinja2==3.1.6 werkzeug==3.1.3 rich==14.1.0 urllib3==2.5.0

.PHONY: bench-retrieval
bench-retrieval: ## Measure how well code is found by its docstring (BENCH=-hard: with less to go by)
	$(GO) build -o $(BIN)/bench-retrieval ./rag/bench
	-pip download -q --no-deps --only-binary :all: -d $(TOOLS)/python $(PYTHON_CORPUS)
	$(BIN)/bench-retrieval -python $(TOOLS)/python $(BENCH)

.PHONY: bench-index
bench-index: build ## Measure indexing and searching CORPUS (the Go standard library), and the parser beside the bare one
	$(GO) build -o $(BIN)/bench-retrieval ./rag/bench
	$(BIN)/bench-retrieval -fault $(BIN)/fault -index "$${CORPUS:-$$($(GO) env GOROOT)/src}"
	$(GO) test -run '^$$' -bench '^BenchmarkParse$$' -benchtime 3x ./treesitter

.PHONY: soak
soak: ## Run the engine for SOAK (10m) under 5,000 connections while faults come and go
	$(GO) build -o $(BIN)/soak ./proxyengine/soak
	$(BIN)/soak -for $${SOAK:-10m}

.PHONY: fuzz
fuzz: ## Fuzz every parser of outside input for FUZZTIME (60s) each
	@FUZZTIME=$${FUZZTIME:-60s}; \
	for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' $$f); do \
			echo "fuzz $$name in $$(dirname $$f)"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $$FUZZTIME -fuzzminimizetime 1x $$(dirname $$f) || exit 1; \
		done; \
	done

.PHONY: e2e
e2e: build ## Run the end-to-end tests against real peers (FastMCP, httpx, requests, curl, psql, redis-cli, Chromium, …)
	./e2e/run.sh

.PHONY: check
check: lint vuln race cross e2e ## Everything that CI runs

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(TOOLS)/govulncheck $@

$(TOOLS)/toxiproxy-$(TOXIPROXY_VERSION):
	GOBIN=$(TOOLS) $(GO) install github.com/Shopify/toxiproxy/v2/cmd/server@$(TOXIPROXY_VERSION)
	mv $(TOOLS)/server $@
