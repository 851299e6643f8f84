#!/bin/bash
# Chaos for as long as asked: `chaos.sh 1h [SEED]`. Rounds of two minutes, SQLite and PostgreSQL in turn; without a time
# three short ones: one with each store whose dice are always the same, and a random one. Needs root, for namespaces. A
# round that fails prints its seed, and how to throw the same dice again.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
export PATH
time=${1:-}
case $time in
*h) CHAOS_SECONDS=$((${time%h} * 3600)) ;;
*m) CHAOS_SECONDS=$((${time%m} * 60)) ;;
*) CHAOS_SECONDS=${time%s} ;;
esac
scripts/deps.sh test
patches/apply.sh
cargo build --workspace --quiet
export CHAOS_SECONDS CHAOS_SEED=${2:-}
exec cargo test --quiet -p sallyport-tests --test all -- --exact cases::chaos::nothing_is_lost_in_chaos --ignored --nocapture
