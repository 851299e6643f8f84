#!/bin/sh
# xrdp of Debian 13 (0.10, with the graphics pipeline), with its X server, in a folder beside the installed one; prints the folder.
# Nothing is installed: packages are fetched by apt with lists of its own, checked by apt's keys, and unpacked.
# Who runs it has to mount the folder at /mnt, and each path in its file `mounts` over the system's, where xrdp looks for it
# (`newer` of tests/harness/rdp/xrdp.rs does, in a namespace).
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/debian-13-xrdp
if [ ! -e "$root/.done" ]; then
    rm -rf "$root"
    mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial" "$root/apt/packages" "$root/loaders" "$root/programs"
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1 | sed 's#/debian-security/*$#/debian#')
    echo "deb $site trixie main" >"$root/apt/sources.list"
    : >"$root/apt/status"
    newer() {
        apt-get -qq -o Dir::Etc::SourceList="$root/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$root/apt/lists" \
            -o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt/cache" -o APT::Sandbox::User=root "$@"
    }
    newer update >&2
    packages=$(newer -s --no-install-recommends install xrdp xorgxrdp xserver-xorg-core | sed -n 's/^Inst \([^ ]*\) .*/\1/p' |
        grep -E '^(xrdp|xorgxrdp|xserver-xorg-core|lib.*|mesa-libgallium|zlib1g)$')
    (cd "$root/apt/packages" && newer download $packages >&2)
    for package in "$root"/apt/packages/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    rm -rf "$root/apt"
    machine=$(gcc -dumpmachine)
    loader=$(find "$root/usr/lib" -name 'ld-linux*' | head -1)
    # Each program runs with its own C library and others, by a loader of its own name, so that it is called that among the processes.
    for program in usr/sbin/xrdp usr/sbin/xrdp-sesman usr/sbin/xrdp-chansrv "usr/lib/$machine/xrdp/xrdp-sesexec" "usr/lib/$machine/xrdp/waitforx" usr/lib/xorg/Xorg; do
        name=$(basename "$program")
        ln "$loader" "$root/loaders/$name"
        mv "$root/$program" "$root/programs/$name"
        cat >"$root/$program" <<WRAPPER
#!/bin/sh
exec /mnt/loaders/$name --library-path /mnt/usr/lib/$machine:/mnt/usr/lib/$machine/xrdp --argv0 $name /mnt/programs/$name "\$@"
WRAPPER
        chmod 755 "$root/$program"
    done
    # Everybody's sessions run programs of it.
    chmod 755 "$root"
    cat >"$root/mounts" <<MOUNTS
etc/X11/xrdp
usr/lib/$machine/security
usr/lib/$machine/xrdp
usr/lib/xorg
usr/sbin/xrdp
usr/sbin/xrdp-chansrv
usr/sbin/xrdp-sesman
usr/share/xrdp
MOUNTS
    unshare --mount sh -ec 'mount --bind "$1" /mnt; exec "$1/usr/sbin/xrdp" --version' sh "$root" >&2
    touch "$root/.done"
fi
echo "$root"
