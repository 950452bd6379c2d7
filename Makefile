# SPDX-License-Identifier: Apache-2.0
# Everything Sengu needs beyond Go, gcc and git comes from the Go module proxy and lands in bin/ and Go's caches.

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
RESULTS := $(BIN)/test-results

# Tools are kept per content of their module and per Go version, so that a changed pin is built anew and going
# back to an older commit costs nothing.
TOOLS_KEY = $(shell { cat hack/tools/go.mod hack/tools/go.sum; go env GOVERSION; } 2>/dev/null | sha256sum | cut -c1-12)
TOOLS := $(BIN)/tools/$(TOOLS_KEY)
GOLANGCI := $(TOOLS)/golangci-lint-kube-api-linter
CONTROLLER_GEN := $(TOOLS)/controller-gen
GOTESTSUM := $(TOOLS)/gotestsum
API_DOCS := $(TOOLS)/crd-ref-docs

# Kubernetes learns its version from the linker. go.mod is the one place where it is written.
K8S := $(shell sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[^ ]*\).*|\1|p' go.mod)
K8S_PARTS := $(subst ., ,$(K8S:v%=%))
K8S_LDFLAGS := $(foreach set,gitVersion=$(K8S) gitMajor=$(word 1,$(K8S_PARTS)) gitMinor=$(word 2,$(K8S_PARTS)), \
	-X k8s.io/component-base/version.$(set))

# A clone without tags is "dev", an unpacked archive has no commit either.
VERSION = $(or $(shell git describe --tags --match 'v*' --dirty 2>/dev/null),dev)
COMMIT = $(shell git rev-parse HEAD 2>/dev/null)
DATE = $(shell git log -1 --format=%cI 2>/dev/null)
STAMP = $(foreach set,Version=$(VERSION) Commit=$(COMMIT) Date=$(DATE),-X sengu.dev/sengu/internal/buildinfo.$(set))
# -s -w leaves out the debugger's tables: a third of each binary and half of the time to link it.
LDFLAGS = -s -w $(strip $(STAMP) $(K8S_LDFLAGS))

BINARIES := $(notdir $(wildcard cmd/*))
comma := ,
space := $(subst ,, )

# Packages that start whole control planes are the lab tests, all others are unit tests: none is left out.
LAB_PACKAGES := sengu.dev/sengu/(test|internal/lab)(/|$$)

# More flags for `go test`, for example GOTESTFLAGS=-race.
GOTESTFLAGS ?=

##@ See it
.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: build ## Upgrade a fleet of real Kubernetes control planes on this machine, watched live
	@$(BIN)/sengu-demo

##@ Work on it
.PHONY: build
build: prerequisites ## Build the binaries into bin/
	@mkdir -p $(BIN)
	@go run ./hack/build -what "$(subst $(space),$(comma) ,$(BINARIES))" \
		build -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN)/ -- $(BINARIES:%=./cmd/%)
	@ln -sf sengu $(BIN)/kubectl-sengu

.PHONY: generate
generate: $(TOOLS) ## Write generated code, custom resource definitions and reference pages anew
	@$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...
	@rm -f config/crd/*.yaml # a kind that was removed must not stay behind
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd
	@$(API_DOCS) --log-level=ERROR --source-path=api/v1alpha1 --config=hack/apidocs.yaml --renderer=markdown --output-path=docs/reference/api.md
	@go generate ./...

.PHONY: lint
lint: $(TOOLS) ## Check the code: golangci-lint (with go vet's checks) and the API linter
	@go run ./hack/build -what "what the linters read" -test list -export -test -f '' -buildvcs=false -- ./...
	@$(GOLANGCI) run --allow-parallel-runners

.PHONY: verify
verify: $(TOOLS) ## Fail if a generated file or go.mod is not up to date
	@hack/verify.sh

.PHONY: test
test: prerequisites ## Run everything: build, verify, lint, unit tests, lab tests; one summary at the end
	@go build -buildvcs=false -o $(BIN)/summary ./hack/summary
	@$(BIN)/summary -results $(RESULTS) build verify lint unit-test lab-test

.PHONY: bench
bench: build ## Measure what the docs claim: drain, fleet and decision figures
	@go run ./hack/build -what "the benchmarks" \
		build -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN)/sengu-bench -- ./test/bench
	@$(BIN)/sengu-bench

.PHONY: clean
clean: ## Remove bin/ (Go's own caches stay)
	@rm -rf $(BIN)

# Steps of the targets above. They have no help because people rarely need them alone.

.PHONY: prerequisites
prerequisites:
	@hack/prerequisites.sh

.PHONY: unit-test lab-test
unit-test: WHICH = -Ev
lab-test: WHICH = -E
lab-test: build
unit-test lab-test: $(TOOLS)
	@mkdir -p $(RESULTS); all=$$(go list ./...) || exit 1; \
	packages=$$(echo "$$all" | grep $(WHICH) '^$(LAB_PACKAGES)') || { echo "no packages for $@"; exit 0; }; \
	$(GOTESTSUM) --format pkgname --format-hide-empty-pkg --jsonfile $(RESULTS)/$@.json -- \
		-buildvcs=false -ldflags '$(strip $(K8S_LDFLAGS))' $(GOTESTFLAGS) $$packages

$(TOOLS): | prerequisites
	@mkdir -p $@.partial
	@go run ./hack/build -what "the pinned tools" -C hack/tools build -buildvcs=false -o $@.partial/ -- tool
	@mv $@.partial $@
