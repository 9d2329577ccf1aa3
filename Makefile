# privyseal: the targets that need more than one command.
#
#   make demo    everything on this machine, no Docker: open the URL it prints
#   make test    all tests, with the race detector and a real Envoy
#   make compose-test  the Docker Compose stack, for real
#   make check   vet, staticcheck, formatting, alert rules
#   make keys-test   the keyring on a real Kubernetes API server, a SoftHSM token and Vault, and
#                    its long tests: builds the servers once, about ten minutes
#   make build   the static binary, bin/privyseal
#   make figures its size, time to start and memory
#   make bench   what a Check costs, into docs/performance.md: about ten minutes

SHELL := /bin/bash -o pipefail
export CGO_ENABLED ?= 0
CACHE := $(CURDIR)/.cache
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

.PHONY: build demo test check unit examples compose-test keys-test figures bench clean

build:
	go build -trimpath -ldflags '-s -w -X privyseal.version=$(VERSION)' -o bin/privyseal ./cmd/privyseal

demo: build
	cd examples && go build -o ../bin/ ./demo
	bin/demo

test: check unit examples

check:
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt: run gofmt -w on the files above' >&2; exit 1; }
	go vet ./...
	CGO_ENABLED=1 go vet -tags kubernetes,vault,pkcs11,long ./keys/...
	cd examples && go vet -tags compose ./...
	GOBIN=$(CACHE)/bin go install $(STATICCHECK)
	$(CACHE)/bin/staticcheck ./...
	CGO_ENABLED=1 $(CACHE)/bin/staticcheck -tags kubernetes,vault,pkcs11,long ./keys/...
	cd examples && $(CACHE)/bin/staticcheck -tags compose ./...
	promtool check rules docs/alerts.yaml
	promtool test rules docs/alerts_test.yaml

# The race detector needs cgo and so a C compiler; the binary needs neither.
unit:
	CGO_ENABLED=1 go test -race ./...

# Real Envoy, real processes. The tests install what they need below .cache.
examples: build
	cd examples && CGO_ENABLED=1 go test -race ./...

# The compose stack under a Docker daemon of the test's own: needs root, docker.io,
# docker-compose and iproute2.
compose-test:
	cd examples && go test -tags compose -count=1 ./compose/...

# Needs etcd-server, softhsm2 and opensc.
keys-test:
	CGO_ENABLED=1 go test -race -count=1 -timeout 20m -tags kubernetes -run '^TestKubernetes$$' ./keys/store
	go test -count=1 -timeout 20m -tags vault -run '^TestVault$$' ./keys/vault
	CGO_ENABLED=1 go test -count=1 -timeout 5m -tags pkcs11 ./keys/pkcs11
	CGO_ENABLED=1 go test -count=1 -timeout 5m -tags pkcs11 -run SoftHSM ./keys
	CGO_ENABLED=1 go test -race -count=1 -timeout 20m -tags long -run TestSignDuringSharedRotation ./keys

# Size, time to start, memory: what the README says.
figures: build
	@examples/figures.sh bin/privyseal

# CPU time, latency and memory against an always-OK server; `bin/bench -h` for less.
# Through Envoy only where the tests of examples have installed it, and with wrk.
bench: build
	go build -trimpath -o bin/bench ./cmd/bench
	bin/bench -o markdown

clean:
	rm -rf bin $(CACHE)
