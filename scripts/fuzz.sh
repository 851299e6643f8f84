#!/bin/bash
# Fuzzes every parser, coverage-guided, with the stable compiler. `fuzz.sh TIME [TARGET...]`: seconds for each target
# (all of them if none is named), two at a time. New inputs that reach new code are kept in fuzz/found/TARGET; a finding
# ends up in fuzz/artifacts/TARGET and makes this fail. `fuzz.sh minimise` moves what is worth it into fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
PATH="$PATH:${HOME:-/}/.cargo/bin"
host=$(rustc -vV | sed -n 's/^host: //p')
program=target/$host/debug/sallyport-fuzz

# Counters, comparisons and tables of LLVM's own coverage, through options that every rustc has. With --target, build
# scripts and macros stay without.
build() {
    local coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
    RUSTFLAGS="$coverage --cfg fuzzing -Ccodegen-units=16" cargo build --quiet --target "$host"
}

# one TARGET SECONDS
one() {
    local log=artifacts/$1/log
    mkdir -p "found/$1" "artifacts/$1" "corpus/$1"
    local status=0
    FUZZ_TARGET=$1 "$program" -max_total_time="$2" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -verbosity=1 \
        -artifact_prefix="artifacts/$1/" "found/$1" "corpus/$1" >"$log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        echo "$1: a finding, see fuzz/$log"
        grep -vE '^#[0-9]' "$log" | tail -n 25
        return 1
    fi
    printf '%-16s %s\n' "$1" "$(grep -E '^#[0-9]+.*DONE' "$log" | tr -s ' \t' ' ')"
}

# The smallest set of inputs that reaches all that is reached, under names that say what they are by content.
minimise() {
    for target in $("./$program"); do
        mkdir -p "corpus/$target" "found/$target"
        local less=corpus/$target.less
        rm -rf "$less"
        mkdir "$less"
        FUZZ_TARGET=$target "$program" -merge=1 -max_len=4096 "$less" "corpus/$target" "found/$target" 2>/dev/null
        # Named ones stay, whatever they reach.
        find "corpus/$target" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
        for input in "$less"/*; do
            [ -e "$input" ] || continue
            same=$(sha1sum "corpus/$target"/* 2>/dev/null | grep "^$(sha1sum <"$input" | cut -d' ' -f1)" || true)
            [ -n "$same" ] || mv "$input" "corpus/$target/$(sha1sum <"$input" | cut -d' ' -f1)"
        done
        rm -rf "$less"
        echo "$target: $(find "corpus/$target" -type f | wc -l) inputs, $(du -sh "corpus/$target" | cut -f1)"
    done
}

build
if [ "${1:-}" = minimise ]; then
    minimise
    exit
fi
seconds=${1:-60}
shift || true
targets=${*:-$("./$program")}
export -f one
export program
printf '%s\n' $targets | xargs -P 2 -I '{}' bash -c "one {} $seconds"
