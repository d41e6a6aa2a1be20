# The short names for everything a person does here; Meson does the work.
BUILD := build/release
PREFIX ?= /usr/local

help:
	@echo 'make run          build, make the sample machine, stream it from a web server, open its console'
	@echo 'make image        the disk image of a Sill PC, build/sill-pc.img'
	@echo 'make test         all tests, under 20 minutes (FULL=1: the wider matrix)'
	@echo 'make bench        measure against peers; results in build/bench'
	@echo 'make lint         warnings, clang-format, clang-tidy, cppcheck, man pages'
	@echo 'make fuzz         fuzz every parser (SECONDS_EACH=600)'
	@echo 'make conformance  /dev/kvm of the module, in the emulated PC'
	@echo 'make soak         random crashes and faults for an hour'
	@echo 'make install      to PREFIX ($(PREFIX)) under DESTDIR'
	@echo 'make clean        remove what was built, keep downloads and sample machines'

build:
	@build-aux/deps.sh build
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) --prefix $(PREFIX) >$(BUILD).log 2>&1 || { mkdir -p build; meson setup $(BUILD) --prefix $(PREFIX); }
	@ninja -C $(BUILD) -n | grep -q 'no work to do' || ninja -C $(BUILD) --quiet

run: build
	@build-aux/deps.sh run image far
	@tests/run-sample.sh

image: build
	@build-aux/deps.sh build image pc-image
	@appliance/build.sh build

test:
	@build-aux/deps.sh build run image far test
	@FULL=$(FULL) tests/run.sh

bench:
	@build-aux/deps.sh build run image far test bench
	@tests/bench/run.sh

lint:
	@build-aux/deps.sh build test lint
	@build-aux/lint.sh

fuzz:
	@build-aux/deps.sh build test
	@tests/fuzz/run.sh $${SECONDS_EACH:-600}

soak:
	@build-aux/deps.sh build run image far test
	@tests/soak.sh

conformance: build
	@build-aux/deps.sh build test
	@FULL=1 ALL=1 meson test -C $(BUILD) --no-rebuild --suite kvm --num-processes 1 --print-errorlogs

install: build
	@meson configure $(BUILD) -Dprefix=$(abspath $(PREFIX))
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --quiet

clean:
	rm -rf build/release build/asan build/fuzz build/lint

.PHONY: help build run image test bench lint fuzz conformance soak install clean
.DEFAULT_GOAL := help
