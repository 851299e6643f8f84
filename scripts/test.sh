#!/bin/sh
# Everything that has to hold, from a fresh clone on; prints how long each part took.
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
export PATH
times=
begin=$(date +%s)

# step NAME COMMAND...
step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    from=$(date +%s)
    status=0
    "$@" || status=$?
    took=$(($(date +%s) - from))
    times="$times$(printf '%5d s  %s' "$took" "$name")
"
    if [ "$status" != 0 ]; then
        printf '\n%s\n== failed: %s\n' "$times" "$name" >&2
        exit "$status"
    fi
}

step "packages" scripts/deps.sh test
step "patches" patches/apply.sh
step "format" scripts/format.sh --check
step "lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
# The end-to-end tests start the program itself.
step "build" cargo build --workspace --quiet
step "tests" cargo test --workspace --quiet
# Alone: it wants the machine for itself. `make chaos TIME=1h` takes longer.
step "chaos" scripts/chaos.sh
# Seconds for each of the parsers; `make fuzz` takes longer.
step "fuzz" scripts/fuzz.sh 4

printf '\n%s%5d s  all\n' "$times" "$(($(date +%s) - begin))"
