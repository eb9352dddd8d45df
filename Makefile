# The daily commands; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run compile test soak history simulate bench fuzz asan tsan format lint clean

SANITIZE_address = address,undefined
SANITIZE_thread = thread

help:           ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run:            ## install what is missing, build, and start a playground: local servers, the router, a sharded shop
	@tools/setup
	@$(MAKE) --no-print-directory compile
	@build/nanu playground

compile: build/build.ninja ## build the program: build/nanu
	@ninja -C build

test:           ## run every test suite
	@tools/setup --test
	@$(MAKE) --no-print-directory compile
	@tools/test

soak:           ## what the tests do in samples, whole: every allocation that can fail, every byte at which a peer can go; an hour or two
	@tools/setup --test
	@$(MAKE) --no-print-directory compile
	@NANU_SOAK=1 tools/test --jobs 1 chaos

history:        ## a million reads and writes of every consistency level, while replicas fall behind and die, and others are promoted, and whether each held; an hour
	@tools/setup --test
	@$(MAKE) --no-print-directory compile
	@NANU_SOAK=1 tools/test --jobs 1 history

simulate:       ## failover in a million simulated histories, each from its seed; an hour
	@tools/setup --test
	@$(MAKE) --no-print-directory compile
	@NANU_SOAK=1 tools/test --jobs 1 simulate

bench:          ## measure nanu beside PgBouncer, HAProxy and Pgpool-II in one run (45 min; bench/run --quick: 15)
	@tools/setup --bench
	@$(MAKE) --no-print-directory compile
	@bench/run

fuzz:           ## fuzz every decoder, FUZZ_SECONDS (60) each
	@tools/setup --fuzz
	@tools/fuzz

asan: build-address/build.ninja ## run every test suite with AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup --test
	@ninja -C build-address
	@tools/test --build build-address

tsan: build-thread/build.ninja ## run every test suite with ThreadSanitizer
	@tools/setup --test
	@ninja -C build-thread
	@tools/test --build build-thread

format:         ## format the C sources as .clang-format says
	@tools/setup --format
	@find src tests -name '*.[ch]' | xargs clang-format -i

lint: build/build.ninja ## look for bugs as .clang-tidy says
	@tools/setup --format
	@find src -name '*.c' | xargs clang-tidy -p build --quiet

clean:          ## remove everything built (not the playground's data: nanu playground --clean)
	@rm -rf build build-address build-thread build-fuzz build-fuzz-none build-node build-drivers

build/build.ninja:
	@meson setup build

build-%/build.ninja:
	@meson setup $(@D) -Db_sanitize=$(SANITIZE_$*) -Db_lundef=false
