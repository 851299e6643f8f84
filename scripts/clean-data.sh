#!/bin/sh
# Removes the data folder of `make run`. A running server keeps its folder.
set -eu
cd "$(dirname "$0")/.."
data=${DATA:-data}
[ -d "$data" ] || exit 0
if [ -e "$data/lock" ] && ! flock --nonblock "$data/lock" true; then
    echo "a server is running on $data; stop it first" >&2
    exit 1
fi
rm -rf "$data"
echo "$data is removed"
