#!/bin/sh
# Puts the registry's russh beside this script, with our patch on it, for `[patch.crates-io]` in Cargo.toml.
# Cheap when nothing changed. Fails loudly when the version or the patch no longer fits; see README.md here.
set -eu
cd "$(dirname "$0")"
version=0.65.1
patch=russh-$version.patch
grep -q "russh = { version = \"=$version\"" ../Cargo.toml || {
    echo "patches/apply.sh: Cargo.toml does not pin russh to $version; rebase $patch and change the version here" >&2
    exit 1
}
want=$(cat "$patch" apply.sh | sha256sum)
[ "$(cat russh/.applied 2>/dev/null)" = "$want" ] && exit 0

# cargo fetches the crate, and checks its digest against the registry's index.
fetch=$(mktemp -d)
trap 'rm -rf "$fetch" russh.new' EXIT
mkdir "$fetch/src"
: >"$fetch/src/lib.rs"
cat >"$fetch/Cargo.toml" <<MANIFEST
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
russh = { version = "=$version", default-features = false, features = ["ring"] }
[workspace]
MANIFEST
(cd "$fetch" && cargo vendor --quiet --versioned-dirs vendor >/dev/null)
rm -rf russh.new
cp -r "$fetch/vendor/russh-$version" russh.new
rm -f russh.new/.cargo-checksum.json
patch --quiet --directory=russh.new -p1 --fuzz=0 <"$patch" || {
    echo "patches/apply.sh: $patch does not apply to russh $version as the registry has it" >&2
    exit 1
}
echo "$want" >russh.new/.applied
rm -rf russh
mv russh.new russh
