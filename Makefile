# Bulkhead. `make run` and `make test` are all a new machine needs; both install
# what they use. `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GOFLAGS_BUILD := -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
export CGO_ENABLED ?= 0
# A make target is never the place to fetch another toolchain.
export GOTOOLCHAIN ?= local

.PHONY: help deps build ui engine run test test-go test-ui lab bench fuzz truth lint clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

build: ui ## the one binary, bin/bulkhead, with the dashboard inside
	@mkdir -p bin
	go build $(GOFLAGS_BUILD) -o bin/bulkhead ./cmd/bulkhead

bin/bulkhead: FORCE
	@mkdir -p bin
	go build $(GOFLAGS_BUILD) -o bin/bulkhead ./cmd/bulkhead
FORCE:

ui: ui/dist/index.html ## the dashboard, embedded by the next build

ui/dist/index.html: $(shell find ui/src ui/index.html ui/package-lock.json ui/vite.config.ts schemas/openapi.yaml -type f 2>/dev/null)
	cd ui && npm ci --no-audit --no-fund --loglevel=error && npm run build

engine: ## ClickHouse as a library, pinned, into the user's cache
	@scripts/fetch-engine.sh

run: ## build everything and start it with the demonstration estate
	@scripts/install-deps.sh run
	@$(MAKE) --no-print-directory engine build
	@mkdir -p bin && exec bin/bulkhead demo

deps: ## the Debian packages the tests use
	@scripts/install-deps.sh test

test: deps engine ui test-go test-ui ## everything, nothing skipped: root or sudo

# Tests drive the kernel and start daemons, so they run as root; caches stay where
# the caller has them.
test-go: bin/bulkhead
	@scripts/as-root.sh go test -timeout 20m ./...

test-ui:
	cd ui && npm run lint && npm test

lint: ## vet, staticcheck, gofmt, and that it builds elsewhere
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool staticcheck ./...
	GOOS=linux GOARCH=arm64 go build ./...
	GOOS=darwin GOARCH=arm64 go vet ./...

lab: deps bin/bulkhead ## real services and clients in network namespaces, tapped and exported
	@scripts/as-root.sh go test -count=1 -v -timeout 10m ./lab/...

truth: ## accuracy against ground truth, written to docs/truth.md
	go run ./truth

bench: bin/bulkhead engine ## speed beside the peers in the same run, written to docs/benchmarks.md
	@scripts/install-deps.sh bench
	@scripts/as-root.sh go run ./bench

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

clean: ## what was built here; the engine in the cache stays
	rm -rf bin ui/dist/assets ui/dist/index.html
