#!/bin/sh
# FreeRDP's client and shadow server of Debian 13 (3.x) in a folder, beside the installed one; prints the folder to put into PATH.
# Nothing is installed: packages are fetched by apt with lists of its own, checked by apt's keys, and unpacked.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/debian-13-freerdp
if [ ! -e "$root/.done" ]; then
    rm -rf "$root"
    mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial" "$root/apt/packages" "$root/bin"
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1 | sed 's#/debian-security/*$#/debian#')
    echo "deb $site trixie main" >"$root/apt/sources.list"
    : >"$root/apt/status"
    newer() {
        apt-get -qq -o Dir::Etc::SourceList="$root/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$root/apt/lists" \
            -o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt/cache" -o APT::Sandbox::User=root "$@"
    }
    newer update >&2
    packages=$(newer -s --no-install-recommends install freerdp3-x11 freerdp3-shadow-x11 | sed -n 's/^Inst \([^ ]*\) .*/\1/p' |
        grep -E '^(freerdp3-x11|freerdp3-shadow-x11|lib.*|zlib1g|ocl-icd-libopencl1|openssl-provider-legacy)$')
    (cd "$root/apt/packages" && newer download $packages >&2)
    for package in "$root"/apt/packages/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    rm -rf "$root/apt/packages" "$root/apt/cache"
    machine=$(gcc -dumpmachine)
    loader=$(find "$root/usr/lib" -name 'ld-linux*' | head -1)
    # Its own C library and others, and OpenSSL's old ciphers, which NTLM needs.
    for program in xfreerdp3 freerdp-shadow-cli3; do
        cat >"$root/bin/$program" <<WRAPPER
#!/bin/sh
OPENSSL_MODULES=$root/usr/lib/$machine/ossl-modules
export OPENSSL_MODULES
exec $loader --library-path $root/usr/lib/$machine:$root/usr/lib/$machine/pulseaudio --argv0 $program $root/usr/bin/$program "\$@"
WRAPPER
        chmod 755 "$root/bin/$program"
    done
    "$root/bin/xfreerdp3" /version >&2
    touch "$root/.done"
fi
echo "$root/bin"
