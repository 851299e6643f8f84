"""A client that means harm: floods a connection with one kind of message.

Usage: hostile.py PORT LOGIN KEYFILE KIND COUNT. Prints how many messages went out and how it ended.
"""
import socket
import sys
import time

import paramiko
from paramiko.common import (
    MSG_CHANNEL_OPEN, MSG_CHANNEL_REQUEST, MSG_GLOBAL_REQUEST, MSG_IGNORE, MSG_KEXINIT, MSG_UNIMPLEMENTED,
)
from paramiko.message import Message


def byte(number):
    return number if isinstance(number, bytes) else bytes([number])


def message(kind, number):
    m = Message()
    if kind == "ignore":
        m.add_byte(byte(MSG_IGNORE))
        m.add_string(b"x" * 16384)
    elif kind == "unimplemented":
        m.add_byte(byte(MSG_UNIMPLEMENTED))
        m.add_int(number)
    elif kind == "global":
        m.add_byte(byte(MSG_GLOBAL_REQUEST))
        m.add_string("nonsense@example.org")
        m.add_boolean(True)
    elif kind == "prove":
        m.add_byte(byte(MSG_GLOBAL_REQUEST))
        m.add_string("hostkeys-prove-00@openssh.com")
        m.add_boolean(True)
        m.add_string(KEY)
    elif kind == "open":
        m.add_byte(byte(MSG_CHANNEL_OPEN))
        m.add_string("session")
        m.add_int(number)
        m.add_int(1 << 20)
        m.add_int(1 << 15)
    elif kind == "unknown-open":
        m.add_byte(byte(MSG_CHANNEL_OPEN))
        m.add_string("nonsense@example.org")
        m.add_int(number)
        m.add_int(1 << 20)
        m.add_int(1 << 15)
    elif kind in ("env", "request"):
        m.add_byte(byte(MSG_CHANNEL_REQUEST))
        m.add_int(CHANNEL)
        m.add_string("env" if kind == "env" else "nonsense@example.org")
        m.add_boolean(True)
        if kind == "env":
            m.add_string("TEST_%d" % number)
            m.add_string(b"v" * 512)
    return m


def main():
    global KEY, CHANNEL
    port, login, key, kind, count = sys.argv[1:]
    t = paramiko.Transport(socket.create_connection(("127.0.0.1", int(port))))
    t.start_client(timeout=30)
    KEY = t.get_remote_server_key().asbytes()
    t.auth_publickey(login, paramiko.Ed25519Key.from_private_key_file(key))
    if kind in ("env", "request"):
        CHANNEL = t.open_session(timeout=30).remote_chanid
    sent, start = 0, time.monotonic()
    try:
        for number in range(int(count)):
            if kind == "rekey":
                t.renegotiate_keys()
            else:
                t._send_user_message(message(kind, number))
            sent += 1
            if not t.is_active():
                break
    except Exception as error:
        print("ended: %s %s" % (type(error).__name__, error))
    time.sleep(0.5)
    print("sent %d in %.1f s, alive %s" % (sent, time.monotonic() - start, t.is_active()))
    t.close()


main()
