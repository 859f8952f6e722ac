# Everything that a person or the CI does to freshet starts here. A target's
# line of help is the comment behind its `## `; `make` alone prints them all.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go

# Packages whose goroutines share memory: they run under the race detector too.
RACE_PACKAGES := $(patsubst %,./%/...,$(wildcard matcher partition raftlog broker client))

# The race detector is C; this is empty on a machine that can't link it.
RACE_READY := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) 2>/dev/null)

# `make run DATA=FILE` publishes a file's events in place of generated ones.
DATA ?=
ARGS ?=

GOLANGCI_LINT ?= $(firstword $(wildcard .bin/golangci-lint) golangci-lint)
PROTOC ?= protoc
MODULE := github.com/freshet-mq/freshet
PROTOS := $(wildcard proto/freshet/v1/*.proto) broker/internal/catalog/catalogpb/catalog.proto broker/internal/peerpb/peer.proto

##@ Every day

.PHONY: help
help: ## print this
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/freshet
	@mkdir -p bin
	$(GO) build -o bin/freshet ./cmd/freshet

.PHONY: run
run: build ## run the main job, checked (DATA=FILE for real events, ARGS="--repeat 20 --json")
	bin/freshet demo $(if $(DATA),--data '$(DATA)') $(ARGS)

# vet runs once, over everything; go test need not repeat its own part of it.
.PHONY: test
test: ## vet, all tests, and those of concurrent packages again under the race detector
	$(GO) vet ./...
	$(GO) test -vet=off ./...
ifneq ($(RACE_READY),)
	$(GO) test -vet=off -race $(RACE_PACKAGES)
else
	@echo 'no C compiler, or cgo is off: the tests did NOT run under the race detector'
endif

.PHONY: race
race: ## tests of concurrent packages under the race detector alone (needs a C compiler)
	$(GO) test -vet=off -race $(RACE_PACKAGES)

.PHONY: lint
lint: ## golangci-lint, as .golangci.yml sets it (.ci/run installs it)
	$(GOLANGCI_LINT) run ./...

.PHONY: shape
shape: ## the ten longest files and the ten longest functions
	@$(GO) run .ci/shape/main.go

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .bin

##@ Made by a program

# The plugins are tools of go.mod, so their versions are pinned there.
.PHONY: generate
generate: ## Go code from the .proto files (needs protoc: Debian's protobuf-compiler), and uPlot from npm
	$(PROTOC) --proto_path=proto --proto_path=. \
	  --plugin=protoc-gen-go="$$($(GO) tool -n protoc-gen-go)" \
	  --plugin=protoc-gen-go-grpc="$$($(GO) tool -n protoc-gen-go-grpc)" \
	  --go_out=. --go_opt=module=$(MODULE) \
	  --go-grpc_out=. --go-grpc_opt=module=$(MODULE) \
	  $(PROTOS)

	@$(MAKE) --no-print-directory $(UPLOT)/SHA256SUMS

# uPlot draws the charts of `freshet bench --html`. What is committed is brought again when its version
# changes here; it is checked against the sums that are committed with it, and they against npm's.
UPLOT := bench/page/assets/uplot
UPLOT_VERSION := 1.6.32
UPLOT_INTEGRITY := KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==

.PHONY: $(UPLOT)/SHA256SUMS
$(UPLOT)/SHA256SUMS:
	@cd $(UPLOT) && if [ "$$(cat VERSION)" = '$(UPLOT_VERSION)' ] && sha256sum --quiet --check SHA256SUMS; then exit 0; fi; \
	package=$$(mktemp -d); trap 'rm -rf "$$package"' EXIT; \
	tarball=$$(npm pack --silent --pack-destination "$$package" uplot@$(UPLOT_VERSION)); \
	[ "$$(openssl dgst -sha512 -binary "$$package/$$tarball" | base64 -w0)" = '$(UPLOT_INTEGRITY)' ] || { echo "$$tarball is not what UPLOT_INTEGRITY says"; exit 1; }; \
	tar --extract --gzip --strip-components=1 --file "$$package/$$tarball" --directory "$$package"; \
	cp "$$package/LICENSE" "$$package/dist/uPlot.iife.min.js" "$$package/dist/uPlot.min.css" .; \
	echo '$(UPLOT_VERSION)' > VERSION; sha256sum LICENSE uPlot.iife.min.js uPlot.min.css > SHA256SUMS

.PHONY: golden
golden: ## rewrite what the test scripts expect; review the result as a diff
	$(GO) test $$(grep -rl --include='*_test.go' cockroachdb/datadriven . | xargs -r -n1 dirname | sort -u) -rewrite

##@ Longer

.PHONY: mutants
mutants: ## freshet with a fault on purpose, one after the other, each of which a checker has to notice (20 min)
	$(GO) test ./bench/mutants -mutants -run TestMutants -timeout 40m -v

# Runs on a tree as committed are added to docs/runs.jsonl.
ROUNDS ?= 5
SEED ?= 1
.PHONY: chaos
chaos: build ## break clusters of three nodes while clients use them, and check what they were told (ROUNDS=5 SEED=1; root for networks and disks)
	@runs=; if [ -z "$$(git status --porcelain -- . ':!docs/runs.jsonl' 2>/dev/null || echo none)" ]; then runs='--runs docs/runs.jsonl'; \
	else echo 'not as committed: this run is not added to docs/runs.jsonl'; fi; \
	bin/freshet chaos --rounds $(ROUNDS) --seed $(SEED) --commit "$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" $$runs $(ARGS)

# A step is a fault; a seed has EACH of them, and one with fewer has them all.
STEPS ?= 200
EACH ?= 8
.PHONY: sim
sim: ## clusters of three nodes in virtual time, whose network, disks and processes fail as a seed says (SEED=1 STEPS=200, 3 min)
	@runs=; if [ -z "$$(git status --porcelain -- . ':!docs/runs.jsonl' 2>/dev/null || echo none)" ]; then runs="-sim.runs $(CURDIR)/docs/runs.jsonl"; \
	else echo 'not as committed: this run is not added to docs/runs.jsonl'; fi; \
	if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi; \
	$(GO) test -count 1 -timeout 24h -run '^TestSim$$' ./bench/sim -v -sim.seed $(SEED) -sim.steps $(STEPS) -sim.each $(EACH) \
	  -sim.commit "$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" $$runs $(ARGS) | grep -v '^=== '

.PHONY: bench-log
bench-log: ## three processes of the log beside raft-boltdb, and what a killed or paused leader costs (3 min)
	$(GO) test -run '^$$' -bench 'ThreeNodes' -benchtime 1x -timeout 10m -v ./raftlog/processes
	$(GO) test -run '^$$' -bench 'Succession' -benchtime 10x -timeout 10m ./raftlog/processes

.PHONY: bench-quick
bench-quick: build ## every work of freshet bench briefly, in one table (2 min)
	bin/freshet bench series quick $(ARGS)

.PHONY: bench-scale
bench-scale: build ## how costs grow with partitions, subscriptions, connections, event bytes and backlog (10 min)
	@for series in partitions subscriptions connections event-bytes backlog; do bin/freshet bench series $$series $(ARGS); done

.PHONY: bench-match
bench-match: build ## the matcher beside json.Valid and the plain evaluator, then its worst cases
	@for rules in 10 1000 10000 100000; do bin/freshet bench match --rules $$rules; done
	bin/freshet bench match --rules 1000 --event-bytes 2048
	$(GO) test -run '^$$' -bench 'Worst' -benchtime 0.3s ./matcher

# ROUNDS=5, or ARGS="-works queue,publish -systems freshet,jetstream-async -duration 5s"; -help lists what there is. The peer is
# a module of its own, so that nobody else builds it.
.PHONY: bench-peers
bench-peers: build ## the same work on freshet and on NATS JetStream, in turns, medians and ratios (ROUNDS=5, 15 min)
	cd bench/peers && $(GO) vet ./... && $(GO) test ./... \
	  && $(GO) build -o ../../bin/nats-server github.com/nats-io/nats-server/v2 && $(GO) build -o ../../bin/peers .
	bin/peers -rounds $(ROUNDS) $(ARGS)

# What can't be had (a disk of its own without root) says so, and fails.
.PHONY: overload
overload: ## what bad clients do to three processes, and what a good one notices; a full disk (root, 9 min)
	$(GO) test -v -timeout 20m -run 'TestOverload|TestFullDisk' ./cmd/freshet -overload.nodes 3 -overload.calm 15s -overload.phase 15s -overload.connections 10000 \
	  -overload.clients 4 -overload.log 1073741824 -idle.polls 3000 -overload.tmpfs

.PHONY: idle
idle: ## what three processes cost that do nothing: processor time and entries, without and with 1,000 parked long polls (2 min)
	$(GO) test -v -timeout 10m -run TestIdle ./cmd/freshet -idle.polls 1000 -idle.watch 45s

# TIME is processor time of a target, so that a busy machine takes longer and proves as much. Runs on a tree as committed are added to
# docs/runs.jsonl.
TIME ?= 20m
TARGETS ?=
.PHONY: fuzz
fuzz: ## every fuzz target in the tree, one after the other (TIME=20m of a processor each, TARGETS='Receipt|Config')
	@runs=; if [ -z "$$(git status --porcelain -- . ':!docs/runs.jsonl' 2>/dev/null || echo none)" ]; then runs="-fuzz.runs $(CURDIR)/docs/runs.jsonl"; \
	else echo 'not as committed: this run is not added to docs/runs.jsonl'; fi; \
	$(GO) test -vet=off -count 1 -timeout 24h -run '^TestFuzz$$' ./bench/fuzz -v -fuzz.each $(TIME) -fuzz.targets '$(TARGETS)' \
	  -fuzz.commit "$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" $$runs $(ARGS) | grep -v '^=== '
