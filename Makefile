# Railiance: what a developer and CI call. What an operator calls is in each
# layer's folder: make -C layers/cluster help.

GO ?= go
BIN := bin
PROGRAMS := $(notdir $(wildcard tools/cmd/*))
MODULES := . tools/internal/access/parity tools/cmd/railiance-secrets

# No cgo: the programs run on any Linux. Debugging data is left out (-w) and the
# symbols are not: `go tool nm` is how one sees that a backup cannot decrypt.
GO_BUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-w $(BUILDVCS)

# A clone that belongs to another account has no revision that Go may ask for.
BUILDVCS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)

# Without Go there is nothing to be newer than, and what was built is used.
ifneq ($(shell command -v $(GO) 2>/dev/null),)
SOURCES := go.mod go.sum $(shell find tools -type f ! -name '*_test.go' ! -path '*/testdata/*' ! -name README.md)
endif

.PHONY: help build test e2e e2e-tb demo bench bench-vm bench-tb lint clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
	@echo "make -C layers/cluster help lists what an operator calls"

build: $(addprefix $(BIN)/,$(PROGRAMS)) ## the programs, into bin/

$(BIN)/%: $(SOURCES)
	@command -v $(GO) >/dev/null || { echo "make: $@ is missing and there is no Go to build it with; copy bin/ from where it was built" >&2; exit 1; }
	@echo "building $@" >&2
	@$(if $(wildcard tools/cmd/$*/go.mod),cd tools/cmd/$* && $(GO_BUILD) -o ../../../$@ .,$(GO_BUILD) -o $@ ./tools/cmd/$*)

test: ## everything that needs neither root nor a cluster; MUST_RUN=1 fails instead of skipping
	@for module in $(MODULES); do (cd $$module && $(GO) test $(TESTFLAGS) ./...) || exit 1; done

e2e: ## as root: the disaster in every variant, on real etcd, API server and Helm
	@sh testdata/e2e/run.sh

e2e-tb: ## as root: every pair of faults in real Thunderbolt rings; ten minutes
	@RING_PAIRS=all $(GO) test -count=1 -run TestPlantedIsFound ./tools/internal/tbcli
	@RING_PAIRS=same $(GO) test -count=1 -run TestPlantedIsFound ./tools/internal/tbcli

demo: ## the main job from end to end, told step by step
	@sh testdata/demo/run.sh

bench: ## against the shell pipeline that this replaces
	@sh bench/run.sh

bench-vm: ## guests: against zstd | age, restic and borg
	@sh bench/vm.sh

bench-tb: ## as root: the check of the Thunderbolt ring, against the same in shell
	@sh bench/tb.sh

lint: ## gofmt and vet
	@unformatted=$$(git ls-files -z -co --exclude-standard -- '*.go' | xargs -0r gofmt -l); \
		[ -z "$$unformatted" ] || { echo "gofmt -w these:" >&2; echo "$$unformatted" >&2; exit 1; }
	@for module in $(MODULES); do (cd $$module && $(GO) vet ./...) || exit 1; done

clean: ## takes bin/ away
	rm -rf $(BIN)
