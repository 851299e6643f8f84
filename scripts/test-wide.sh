#!/bin/sh
# What takes too long for `make test`: the conformance cases once more with OpenSSH's programs of Debian 13 (ML-KEM),
# cases with FreeRDP's programs of Debian 13, and the long cases: files of 5 GiB, hundreds of keep-alives, a lock of a minute.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
export PATH
scripts/deps.sh test
patches/apply.sh
newer=$(scripts/newer-openssh.sh)
newer_rdp=$(scripts/newer-freerdp.sh)
cargo build --workspace --quiet
printf '\n== OpenSSH of Debian 13\n'
# cargo's own environment stays as it is: only the tests see the newer programs.
PATH="$newer:$PATH" cargo test -p sallyport-tests --test all --quiet -- conformance
printf '\n== FreeRDP of Debian 13\n'
PATH="$newer_rdp:$PATH" cargo test -p sallyport-tests --test all --quiet -- --include-ignored newer_freerdp
printf '\n== what takes long\n'
SALLYPORT_TESTS_LONG=1 cargo test -p sallyport-tests --test all --quiet -- --include-ignored large_files five_gibibytes silence outlives_keep_alives
