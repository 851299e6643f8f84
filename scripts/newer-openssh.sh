#!/bin/sh
# OpenSSH's client programs of Debian 13 (ML-KEM) in a folder, beside the installed ones; prints the folder to put into PATH.
# Nothing is installed: packages are fetched by apt with lists of its own, checked by apt's keys, and unpacked.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/debian-13
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
    packages=$(newer -s --no-install-recommends install openssh-client | sed -n 's/^Inst \([^ ]*\) .*/\1/p' |
        grep -E '^(openssh-client|lib(c6|edit2|fido2|gssapi|selinux|ssl|tinfo|bsd|md0|cbor|udev|krb5|k5crypto|com-err|keyutils|pcre2|zstd|cap2|crypt1)|zlib1g)')
    (cd "$root/apt/packages" && newer download $packages >&2)
    for package in "$root"/apt/packages/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    machine=$(gcc -dumpmachine)
    loader=$(find "$root/usr/lib" -name 'ld-linux*' | head -1)
    for program in ssh sftp scp ssh-keygen ssh-keyscan ssh-add ssh-agent; do
        case $program in
        sftp | scp) with="-S $root/bin/ssh" ;;
        *) with= ;;
        esac
        # Its own C library and others; told its own name, by which it starts itself again.
        cat >"$root/bin/$program" <<WRAPPER
#!/bin/sh
exec $loader --library-path $root/usr/lib/$machine --argv0 $root/bin/$program $root/usr/bin/$program $with "\$@"
WRAPPER
        chmod 755 "$root/bin/$program"
    done
    "$root/bin/ssh" -V >&2
    touch "$root/.done"
fi
echo "$root/bin"
