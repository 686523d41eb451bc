# The front doors. Everything else is in `cargo xtask --help` and `cargo run -p outcrop -- --help`.

.PHONY: demo test soak matrix fmt doc bench bench-quick

# A page over our own stack, and the capture that explains it: target/demo/demo.pcapng, and as a page: target/demo/demo.html
demo:
	@tools/setup.sh demo
	@mkdir -p target/demo
	cargo build --package outcrop
	cargo run --quiet --package outcrop -- demo --out target/demo

# Every check and every test; says at the end what each took.
test:
	@tools/setup.sh test
	cargo run --quiet --package xtask -- ci

# A million simulated lives of TCP connections, every invariant checked; COUNT and SEED choose others.
COUNT ?= 1000000
SEED ?= 0
soak:
	cargo run --profile sim --package outcrop-testkit --example soak -- $(COUNT) $(SEED)

# Goodput of every controller over every path, in virtual time, against fixtures/throughput/matrix.txt, to the byte.
# BLESS=1 writes it instead: then review the difference.
matrix:
	cargo run --profile sim --package outcrop-testkit --example matrix -- --check

fmt:
	cargo fmt --all

# The reference, and the book where mdBook is installed.
doc:
	cargo doc --workspace --no-deps
	@if command -v mdbook >/dev/null 2>&1; then \
		mdbook build --dest-dir "$(CURDIR)/target/book" docs/book; \
	else \
		echo "mdbook is not installed; the book's sources are in docs/book/src"; \
	fi

# Against nginx, the kernel and other stacks, interleaved, in private namespaces: a table, target/bench/results.json, and
# from it docs/performance.md, its plots in the book, and docs/bench. Some 25 minutes once it is built; a quiet machine.
# `perf` looks at the servers whose bars were missed, and what is said of the run is written even if somebody was absent.
# Built with fat LTO ([profile.bench]), which takes some ten minutes.
BENCH = cargo run --quiet --profile bench --package outcrop-bench --
bench: bench-built
	@tools/setup.sh bench
	$(BENCH) --rounds 5 --seconds 2 || echo "bench: not everybody was there to the end; the tables say who was not"
	$(BENCH) profile
	$(BENCH) report

# The core of it in under five minutes, and nothing written into the documentation.
bench-quick: bench-built
	@tools/setup.sh bench-quick
	$(BENCH) --quick --rounds 3 --seconds 1

.PHONY: bench-built
bench-built:
	cargo build --profile bench --package outcrop --package outcrop-bench --bins
	cargo build --profile bench --package outcrop-bench --example axum_on_tun --example idle
