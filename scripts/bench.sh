#!/bin/sh
# Builds the release binaries and prints the tables of the benchmark. Arguments go to it.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
export PATH
scripts/deps.sh test
patches/apply.sh
cargo build --release --workspace --quiet
exec cargo run --release --quiet -p sallyport-tests --bin bench -- "$@"
