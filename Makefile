# rung: an OCI runtime in pure Go. `make help` lists what can be made.

VERSION     ?= 0.1.0-dev
COMMIT      ?= $(shell git -c safe.directory='*' describe --always --dirty --abbrev=12 --match='' 2>/dev/null || echo unknown)
DATE        ?= $(shell git -c safe.directory='*' log -1 --format=%cs 2>/dev/null || date +%F)
PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
MANDIR      ?= $(PREFIX)/share/man
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
FISHDIR     ?= $(PREFIX)/share/fish/vendor_completions.d
DESTDIR     ?=
GO          ?= go
FUZZTIME    ?= 30s
BINARY      ?= rung
MAINTAINER  ?=
DEB_ARCH    ?= $(shell $(GO) env GOARCH)
SOURCE_DATE_EPOCH ?= $(shell git -c safe.directory='*' log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The architectures that `make cross` proves: those of Go's Linux ports that have a 5.10 kernel and containers.
ARCHS := amd64 arm64 arm 386 riscv64 ppc64le s390x loong64

export CGO_ENABLED := 0
BUILD := $(GO) build -trimpath -buildvcs=false \
	-ldflags "-s -w -X main.version=$(VERSION) -X main.gitCommit=$(COMMIT)"
SHELL_FILES = $(shell git -c safe.directory='*' ls-files --cached --others --exclude-standard -- '*.sh' '*.bash' '*.bats' .ci/run)

# Go decides what is out of date, and decides it well: the binary is always asked for.
.PHONY: all rung
all: rung
rung: deps-build ## build ./rung (the default)
	@$(BUILD) -o $@ .

.PHONY: demo
demo: deps-demo rung ## run containers and show what is isolated (root; five minutes' reading)
	@RUNG=$(CURDIR)/rung tests/demo/demo.sh

.PHONY: test test-unit test-integration test-engines
test: test-unit test-integration ## the unit and the integration tests (root)

test-unit: deps-test ## the Go tests, with their counts
	@scripts/unit-tests.sh

test-integration: deps-test rung ## bats tests of the binary (root)
	@RUNG=$(CURDIR)/rung tests/integration/run.sh

test-engines: deps-engines rung ## rung under real containerd, CRI, Docker and Podman, and a whole Debian inside (root)
	@RUNG=$(CURDIR)/rung tests/engines/run.sh

# PASS="unit" picks passes (see tests/vm/run.sh), TESTS="cgroups.bats rootless/update.bats" files of tests/integration and tests/engines,
# for all passes that have them or for one, FILTER=devices tests by name.
.PHONY: test-vm vm-shell vm-image
test-vm: deps-vm rung ## the tests on a Debian with systemd and cgroup v2, in QEMU (TESTS="cgroups.bats" picks files)
	@RUNG=$(CURDIR)/rung PASS="$(PASS)" TESTS="$(TESTS)" tests/vm/run.sh

vm-shell: deps-vm rung ## a root shell on that Debian, with rung
	@RUNG=$(CURDIR)/rung tests/vm/shell.sh

vm-image: deps-vm ## make that Debian's disk, if it is not there yet
	@tests/vm/image.sh

.PHONY: test-install
test-install: deps-install ## the packages: installed and removed on a clean Debian, and built twice alike (root)
	@tests/install/run.sh

.PHONY: bench
bench: deps-bench rung ## measure rung, runc and crun side by side (root; BENCH="run state" picks rows, BENCH_MD=FILE)
	@RUNG=$(CURDIR)/rung tests/bench/bench.sh

.PHONY: lint
lint: deps-lint ## gofmt, go vet, staticcheck, shellcheck
	@unformatted=$$(gofmt -l -s .); [ -z "$$unformatted" ] || { echo "gofmt -s -w is due for:" $$unformatted >&2; exit 1; }
	@$(GO) vet ./...
	@$(GO) vet -tags docs .
	@$(GO) run $(STATICCHECK) ./...
	@cd tests/engines/tools && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...
	@shellcheck -x $(SHELL_FILES)
	@echo "lint: gofmt, go vet, staticcheck and shellcheck find nothing"

.PHONY: cross
cross: deps-build ## build for every architecture into dist/, and prove each binary static
	@mkdir -p dist
	@for arch in $(ARCHS); do GOOS=linux GOARCH=$$arch $(BUILD) -o dist/rung-$$arch . || exit 1; done
	@$(GO) run scripts/isstatic.go $(ARCHS:%=dist/rung-%)

.PHONY: fuzz
fuzz: deps-build ## run every fuzz test for FUZZTIME (30s)
	@scripts/fuzz.sh $(FUZZTIME)

# Manual pages and completions are made from the definitions of the commands, for the host that builds.
.PHONY: docs
docs: deps-build ## make the manual pages and the completions for bash, zsh and fish in dist/docs
	@rm -rf dist/docs
	@GOOS= GOARCH= $(GO) run -tags docs . dist/docs $(VERSION) $(DATE)

.PHONY: install install-files uninstall
install: rung docs ## install to DESTDIR/PREFIX (/usr/local): the binary, manual pages, completions
	@$(MAKE) --no-print-directory install-files

# What is there is put in place; the packages have binaries of several architectures. The binary takes the place of the one of
# before by a rename: install(1) would remove that first, and an engine that calls rung meanwhile find nothing.
install-files:
	install -D -m 0755 $(BINARY) $(DESTDIR)$(BINDIR)/.rung.new
	mv -fT $(DESTDIR)$(BINDIR)/.rung.new $(DESTDIR)$(BINDIR)/rung
	install -d -m 0755 $(DESTDIR)$(MANDIR)/man8
	for page in dist/docs/man8/*.8; do gzip -9n <$$page >$(DESTDIR)$(MANDIR)/man8/$${page##*/}.gz || exit 1; done
	install -D -m 0644 dist/docs/bash/rung $(DESTDIR)$(BASHDIR)/rung
	install -D -m 0644 dist/docs/zsh/_rung $(DESTDIR)$(ZSHDIR)/_rung
	install -D -m 0644 dist/docs/fish/rung.fish $(DESTDIR)$(FISHDIR)/rung.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/rung $(DESTDIR)$(MANDIR)/man8/rung.8.gz $(DESTDIR)$(MANDIR)/man8/rung-*.8.gz
	rm -f $(DESTDIR)$(BASHDIR)/rung $(DESTDIR)$(ZSHDIR)/_rung $(DESTDIR)$(FISHDIR)/rung.fish

# Packages are the same, byte by byte, wherever and whenever they are made of the same commit with the same Go.
PACKAGE = VERSION=$(VERSION) MAINTAINER="$(MAINTAINER)" SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) GO="$(GO)"

.PHONY: deb
deb: deps-build docs ## make a Debian package in dist/ (DEB_ARCH=arm64: for another architecture, by Go's name)
	@GOOS=linux GOARCH=$(DEB_ARCH) $(BUILD) -o dist/rung-$(DEB_ARCH) .
	@$(PACKAGE) GOARCH=$(DEB_ARCH) BINARY=dist/rung-$(DEB_ARCH) scripts/package/deb.sh dist

.PHONY: release
release: cross docs ## make tarballs and Debian packages for every architecture in dist/release, with checksums
	@rm -rf dist/release
	@for arch in $(ARCHS); do for kind in tarball deb; do \
		$(PACKAGE) GOARCH=$$arch BINARY=dist/rung-$$arch scripts/package/$$kind.sh dist/release || exit 1; done; done
	@cd dist/release && LC_ALL=C sha256sum -- *.deb *.tar.gz >SHA256SUMS

.PHONY: version
version:
	@echo $(VERSION)

.PHONY: clean
clean: ## remove what was built
	rm -rf rung dist coverage.out

# What a target needs on the machine; see scripts/deps.sh.
.PHONY: deps-build deps-demo deps-test deps-engines deps-install deps-vm deps-bench deps-lint
deps-build deps-demo deps-test deps-engines deps-install deps-vm deps-bench deps-lint: deps-%:
	@scripts/deps.sh $*

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
