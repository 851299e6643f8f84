#!/bin/bash
# Builds Sallyport and starts it with a first configuration and a throwaway OpenSSH server as its target.
# Data stay in ./data (or $DATA); Ctrl-C stops everything.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:${HOME:-/}/.cargo/bin:/usr/sbin"
data=${DATA:-data}
port=${TARGET_PORT:-2200}
sallyport=${SALLYPORT_BINARY:-target/release/sallyport}
server=
target=

fail() {
    echo "$1" >&2
    exit 1
}

# Sallyport first: its users are told and its recordings finished while the target still runs.
stop() {
    trap '[ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true' INT TERM
    if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then
        echo "stopping…"
        while kill -0 "$server" 2>/dev/null; do wait "$server" 2>/dev/null || true; done
    fi
    [ -z "$target" ] || kill -TERM "$target" 2>/dev/null || true
    [ -z "$target" ] || wait "$target" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 0' INT TERM

build() {
    scripts/deps.sh run
    [ -z "${SALLYPORT_BINARY:-}" ] || return 0
    patches/apply.sh
    echo "building (a few minutes the first time)…"
    cargo build --release --bin sallyport
}

# The target: an OpenSSH server of an unprivileged user, on loopback. Such a server can let in only its own user, and
# only by key: to check passwords it would have to be root.
prepare_target() {
    (umask 077 && mkdir -p "$data/target")
    keys=$data/target
    [ -e "$keys/host_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C target -f "$keys/host_ed25519"
    [ -e "$keys/account_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C sallyport -f "$keys/account_ed25519"
    as=()
    if [ "$(id -u)" = 0 ]; then
        account=sallyport-demo
        folder=/var/lib/$account
        id "$account" >/dev/null 2>&1 ||
            useradd --system --user-group --create-home --home-dir "$folder" --shell /bin/bash "$account"
        # sshd gives a terminal to the group tty, which only root may do, unless it has that group from its birth:
        # by the mount's option, or else as the user's own group.
        group=$account
        grep -q ' /dev/pts devpts .*gid=' /proc/mounts || group=tty
        [ "$(id -gn "$account")" = "$group" ] || usermod --gid "$group" "$account"
        # The data folder is root's alone, so the server gets copies.
        install -d -o "$account" -g "$group" -m 700 "$folder" "$folder/sshd"
        install -o "$account" -g "$group" -m 600 "$keys/host_ed25519" "$folder/sshd/host_ed25519"
        install -o "$account" -g "$group" -m 600 "$keys/account_ed25519.pub" "$folder/sshd/authorized_keys"
        as=(setpriv --reuid "$account" --regid "$group" --init-groups --reset-env)
    else
        account=$(id -un)
        grep -q ' /dev/pts devpts .*gid=' /proc/mounts ||
            echo "note: /dev/pts is mounted without gid=, so the target can run commands but gives terminals only if this runs as root" >&2
        folder=$PWD/$data/target
        [[ $data != /* ]] || folder=$data/target
        mkdir -p "$folder/sshd"
        install -m 600 "$keys/host_ed25519" "$folder/sshd/host_ed25519"
        install -m 600 "$keys/account_ed25519.pub" "$folder/sshd/authorized_keys"
    fi
    cat >"$keys/sshd_config" <<CONFIG
Port $port
ListenAddress 127.0.0.1
HostKey "$folder/sshd/host_ed25519"
AuthorizedKeysFile "$folder/sshd/authorized_keys"
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
CONFIG
    if [ "$(id -u)" = 0 ]; then
        install -o "$account" -g "$group" -m 600 "$keys/sshd_config" "$folder/sshd/sshd_config"
    else
        cp "$keys/sshd_config" "$folder/sshd/sshd_config"
    fi
}

start_target() {
    # In a session of its own, so that Ctrl-C reaches this script alone.
    setsid "${as[@]}" /usr/sbin/sshd -D -e -f "$folder/sshd/sshd_config" >"$keys/sshd.log" 2>&1 </dev/null &
    target=$!
    for _ in $(seq 50); do
        kill -0 "$target" 2>/dev/null ||
            fail "the target did not start; is port $port taken? (TARGET_PORT=… chooses another)
$(cat "$keys/sshd.log")"
        ! ssh-keyscan -T 1 -p "$port" 127.0.0.1 2>/dev/null | grep -q . || return 0
        sleep 0.1
    done
    fail "the target does not answer on port $port: $(cat "$keys/sshd.log")"
}

# The first configuration, with this machine's account and port if they are not the usual ones.
prepare_declaration() {
    declaration=examples/first.yaml
    if [ "$account" != sallyport-demo ] || [ "$port" != 2200 ]; then
        sed -e "s/sallyport-demo/$account/g" -e "s/port: 2200/port: $port/" "$declaration" >"$keys/first.yaml"
        declaration=$keys/first.yaml
    fi
    if [ ! -s "$keys/alice-password" ]; then
        (umask 077 && od -An -N10 -tx1 /dev/urandom | tr -d ' \n' >"$keys/alice-password")
    fi
    ALICE_PASSWORD=$(cat "$keys/alice-password")
    DEMO_PRIVATE_KEY=$(cat "$keys/account_ed25519")
}

start_server() {
    # What the first start printed is kept until it was shown, even if that start failed later.
    (umask 077 && : >"$data/sallyport.log" && : >>"$keys/first-start")
    ALICE_PASSWORD=$ALICE_PASSWORD DEMO_PRIVATE_KEY=$DEMO_PRIVATE_KEY SALLYPORT_SERVE_APPLY=$declaration \
        setsid "$sallyport" serve --data-dir "$data" >>"$keys/first-start" 2>"$data/sallyport.log" </dev/null &
    server=$!
    api=${SALLYPORT_API_LISTEN:-127.0.0.1:8443}
    ssh=${SALLYPORT_SSH_LISTEN:-127.0.0.1:2222}
    for _ in $(seq 300); do
        kill -0 "$server" 2>/dev/null || fail "Sallyport did not start:
$(cat "$data/sallyport.log")"
        if [ -e "$data/api-cert.pem" ] &&
            curl --silent --fail --noproxy '*' --cacert "$data/api-cert.pem" --output /dev/null "https://$api/readyz"; then
            return 0
        fi
        sleep 0.1
    done
    fail "Sallyport does not get ready; see $data/sallyport.log"
}

instructions() {
    admin=$(sed -n 's/^The first administrator .*: //p' "$keys/first-start")
    rm -f "$keys/first-start"
    if [ -n "$admin" ]; then
        admin="admin, one-time password $admin (shown only now; the first login asks for a new one)"
    else
        admin="admin, with the password chosen at the first login (the one-time password was already shown)"
    fi
    folder_shown=$data
    [[ $data == /* ]] || folder_shown=$PWD/$data
    cat <<TEXT

Sallyport runs. Its data are in $data, its log is $data/sallyport.log. Ctrl-C stops it.

1. Connect to the target through it, as alice, from another terminal:

     ssh -p ${ssh##*:} 'alice+demo@${ssh%:*}'

   Password: $ALICE_PASSWORD

2. See and control the session, as the administrator:
   $admin

     cd $PWD
     export SALLYPORT_URL=https://$api SALLYPORT_CA=$folder_shown/api-cert.pem
     export SALLYPORT_TOKEN=\$($sallyport login --user admin)
     $sallyport sessions list
     $sallyport sessions watch ID
     $sallyport sessions lock ID --title 'Please wait' --message 'We are looking into something.'
     $sallyport recordings replay ID

3. The API is at https://$api/api/v1, its description at https://$api/api/v1/openapi.json:

     curl --cacert $folder_shown/api-cert.pem -H "Authorization: Bearer \$SALLYPORT_TOKEN" https://$api/api/v1/sessions

TEXT
}

build
prepare_target
start_target
prepare_declaration
start_server
instructions
# `wait` comes back early on a signal; the trap does the rest.
wait "$server" || status=$?
server=
fail "Sallyport ended by itself (status ${status:-0}); see $data/sallyport.log"
