#!/bin/sh
# Installs what is missing, asking nothing. `deps.sh run` for building and running, `deps.sh test` for the tests as well,
# `deps.sh wide` for those of `make test-wide`, too.
# Without root and without sudo it says what to install.
set -eu
what=${1:-run}
wide=
if [ "$what" = wide ]; then
    what=test
    wide=1
fi
missing=

# need PACKAGE COMMAND...: the package, if any of its commands is missing.
need() {
    package=$1
    shift
    for command in "$@"; do
        if ! command -v "$command" >/dev/null 2>&1 && [ ! -x "/usr/sbin/$command" ]; then
            missing="$missing $package"
            return
        fi
    done
}

need gcc gcc
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
need patch patch
need curl curl
need ca-certificates update-ca-certificates
need openssh-client ssh ssh-keygen
need openssh-server sshd
need util-linux setpriv setsid
if [ "$what" = test ]; then
    need g++ g++
    need sshpass sshpass
    need asciinema asciinema
    need rsync rsync
    need git git
    need tmux tmux
    need python3 python3
    need putty-tools plink pscp psftp puttygen
    need dropbear-bin dropbear dbclient
    need ansible-core ansible-playbook
    /usr/bin/python3 -c 'import paramiko, asyncssh' 2>/dev/null || missing="$missing python3-paramiko python3-asyncssh"
    need iproute2 ip
    need faketime faketime
    need xvfb Xvfb
    need xauth xauth
    need x11-utils xdpyinfo xwininfo
    need x11-apps xwd
    need x11-xserver-utils xsetroot
    need xterm xterm
    need xdotool xdotool
    need xclip xclip
    need imagemagick convert
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf ] || missing="$missing fonts-dejavu-core"
    need openssl openssl
    need xrdp xrdp xrdp-sesman
    [ -e /usr/lib/xorg/modules/libxorgxrdp.so ] || missing="$missing xorgxrdp"
    need fuse3 fusermount3
    need freerdp2-x11 xfreerdp
    need freerdp2-shadow-x11 freerdp-shadow-cli
    need winpr-utils winpr-hash
    need rdesktop rdesktop
    need weston weston
    need chromium chromium
    need npm npm
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi

if [ -n "$wide" ]; then
    need remmina remmina
    ls /usr/lib/*/remmina/plugins/remmina-plugin-rdp.so >/dev/null 2>&1 || missing="$missing remmina-plugin-rdp"
    need dbus-daemon dbus-run-session
fi

if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root="sudo -n"
        else
            echo "These packages are missing:$missing" >&2
            echo "Install them, for example: sudo apt-get install$missing" >&2
            exit 1
        fi
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "These programs are missing (Debian's package names):$missing" >&2
        exit 1
    fi
    echo "installing:$missing"
    # Only the programs are wanted: no service of these packages may open a door, now or at the next boot.
    policy=/usr/sbin/policy-rc.d
    ours=
    if ! $as_root test -e $policy; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
        $as_root chmod 755 $policy
        ours=1
    fi
    log=$(mktemp)
    status=0
    {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing
    } >"$log" 2>&1 </dev/null || status=$?
    [ -z "$ours" ] || $as_root rm -f $policy
    if [ "$status" != 0 ]; then
        tail -20 "$log" >&2
        rm -f "$log"
        echo "installing failed" >&2
        exit 1
    fi
    rm -f "$log"
    if [ -d /run/systemd/system ]; then
        case " $missing " in
        *" openssh-server "*) $as_root systemctl disable --quiet ssh.service 2>/dev/null || true ;;
        esac
        case " $missing " in
        *" postgresql "*) $as_root systemctl disable --quiet postgresql.service 2>/dev/null || true ;;
        esac
        case " $missing " in
        *" xrdp "*) $as_root systemctl disable --quiet xrdp.service xrdp-sesman.service 2>/dev/null || true ;;
        esac
    fi
fi

if ! command -v cargo >/dev/null 2>&1 && [ ! -x "${HOME:-/}/.cargo/bin/cargo" ]; then
    echo "Rust is missing: install Rust 1.95 or newer (cargo, rustc) from your distribution or with rustup" >&2
    exit 1
fi

# Programs of PyPI for the tests, in a place of their own.
if [ "$what" = test ]; then
    venv=$(dirname "$0")/../target/venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    packages="ssh-audit==3.9.0 paramiko==5.1.0"
    if [ "$(cat "$venv/packages" 2>/dev/null)" != "$packages" ]; then
        "$venv/bin/pip" install --quiet --disable-pip-version-check $packages
        echo "$packages" >"$venv/packages"
    fi
fi

# Programs of npm's registry for browsers, likewise; what the lock file says, and no scripts of theirs.
if [ "$what" = test ]; then
    from=$(dirname "$0")/../tests/browser
    browser=$(dirname "$0")/../target/browser
    if ! cmp -s "$from/package-lock.json" "$browser/installed"; then
        mkdir -p "$browser"
        cp "$from/package.json" "$from/package-lock.json" "$browser"
        (cd "$browser" && npm ci --ignore-scripts --no-audit --no-fund --silent)
        cp "$from/package-lock.json" "$browser/installed"
    fi
fi
