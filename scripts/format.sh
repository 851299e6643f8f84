#!/bin/sh
# Formats the code, or with --check complains. The fuzz targets are no part of the workspace and borrow files of it, so
# they are given to rustfmt one by one.
set -eu
cd "$(dirname "$0")/.."
cargo fmt --all "$@"
wrong=
for file in fuzz/src/*.rs fuzz/src/*/*.rs; do
    formatted=$(rustfmt --edition 2024 <"$file")
    if [ "$formatted" != "$(cat "$file")" ]; then
        if [ "${1:-}" = --check ]; then
            wrong="$wrong $file"
        else
            printf '%s\n' "$formatted" >"$file"
        fi
    fi
done
[ -z "$wrong" ] || {
    echo "not formatted:$wrong; run scripts/format.sh" >&2
    exit 1
}
