# holdfast: everything a contributor runs. Needs Go, make and, for the race
# detector, a C compiler; `make test` installs the servers that tests talk to.

GO       ?= go
FUZZTIME ?= 1m
BIN      := bin

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0

.PHONY: all demo build test test-long servers bench fuzz lint docs captures clean

all: build test

# Explain a capture that comes with the sources.
demo: build
	@$(BIN)/holdfast explain explain/testdata/cases/d02; test $$? -eq 1

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/holdfast ./cmd/holdfast

# Everything runs: what is missing is installed, and nothing is skipped for it.
test: servers
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	HOLDFAST_REQUIRE_SERVERS=1 CGO_ENABLED=1 $(GO) test -race ./...
	HOLDFAST_REQUIRE_SERVERS=1 $(GO) test -run OfManyPresentations -v ./store # its full size, which the race detector does not allow
	@$(GO) test -run TestRequirementCoverage -v . | grep -E '^ +' || true # requirements without a test, with the reason
	cd interop && $(GO) vet ./... && HOLDFAST_REQUIRE_SERVERS=1 $(GO) test ./...
	cd extra/grpc && $(GO) vet ./... && CGO_ENABLED=1 $(GO) test -race ./...

# What `make test` does a few times, hundreds of times: processes killed at
# random points, databases killed under load. About ten minutes.
test-long: servers
	HOLDFAST_REQUIRE_SERVERS=1 HOLDFAST_FAULTS=200 $(GO) test -count 1 -timeout 60m -v -run 'Kill|Crash|Fault|Disk' ./store ./e2e

# Redis, PostgreSQL, Chromium and the Node packages that the tests talk to.
servers:
	@internal/testservers/install.sh
	@interop/setup.sh

# Ratios to a bare ecdsa.VerifyASN1 in the same run (x-verify); in interop the
# same proof checked by hand over two general JWT libraries. One package at a
# time: compiling the next one would be measured too. The ratio that decides
# comes first, three times of five seconds, for it is a matter of one percent:
# the middle one counts.
bench:
	$(GO) test -run '^$$' -bench VerifyNeverSeenKey -benchtime 5s -count 3 .
	$(GO) test -p 1 -run '^$$' -bench . -timeout 30m ./...
	cd interop && $(GO) test -p 1 -run '^$$' -bench . -timeout 30m ./...

# Every fuzz target of every package, FUZZTIME each.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

lint: $(BIN)/staticcheck $(BIN)/gofumpt
	$(GO) vet ./...
	@unformatted=$$($(BIN)/gofumpt -l .); if [ -n "$$unformatted" ]; then \
		echo "not gofumpt-clean:"; echo "$$unformatted"; exit 1; fi
	$(BIN)/staticcheck ./...

$(BIN)/staticcheck:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(STATICCHECK)

$(BIN)/gofumpt:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(GOFUMPT)

# Documents that are written by the program.
docs:
	@mkdir -p $(BIN)
	$(GO) run ./cmd/holdfast checks --format markdown > $(BIN)/checks.md
	mv $(BIN)/checks.md docs/checks.md

# The generated captures that the diagnosis is judged by: new keys, new hashes.
captures:
	$(GO) run ./internal/casegen -out explain/testdata/captures

clean:
	rm -rf $(BIN)
