#!/bin/sh
# What takes too long for `make test`: the conformance cases once more with OpenSSH's programs of Debian 13 (ML-KEM),
# cases with FreeRDP's programs and with xrdp of Debian 13 (the graphics pipeline in progressive RemoteFX, desktops that are
# resized), Remmina as a client, and the long cases: files of 5 GiB, hundreds of keep-alives, a lock of a minute.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
export PATH
scripts/deps.sh wide
patches/apply.sh
newer=$(scripts/newer-openssh.sh)
newer_rdp=$(scripts/newer-freerdp.sh)
newer_xrdp=$(scripts/newer-xrdp.sh)
cargo build --workspace --quiet
printf '\n== OpenSSH of Debian 13\n'
# cargo's own environment stays as it is: only the tests see the newer programs.
PATH="$newer:$PATH" cargo test -p sallyport-tests --test all --quiet -- conformance
printf '\n== FreeRDP of Debian 13\n'
PATH="$newer_rdp:$PATH" cargo test -p sallyport-tests --test all --quiet -- --include-ignored newer_freerdp
printf '\n== xrdp of Debian 13\n'
PATH="$newer_rdp:$PATH" SALLYPORT_TESTS_NEWER_XRDP="$newer_xrdp" cargo test -p sallyport-tests --test all --quiet -- --include-ignored newer_xrdp
printf '\n== Remmina\n'
cargo test -p sallyport-tests --test all --quiet -- --include-ignored remmina
printf '\n== what takes long\n'
SALLYPORT_TESTS_LONG=1 cargo test -p sallyport-tests --test all --quiet -- --include-ignored large_files five_gibibytes silence outlives_keep_alives
