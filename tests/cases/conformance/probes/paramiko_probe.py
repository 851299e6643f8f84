"""What paramiko sees: PORT USER KEY FOLDER. Prints a line for each thing tried."""
import hashlib
import logging
import os
import socket
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")
import paramiko

port, user, key, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def connect(window=None, packet=None):
    sock = socket.create_connection(("127.0.0.1", port))
    options = {}
    if window:
        options["default_window_size"] = window
    if packet:
        options["default_max_packet_size"] = packet
    transport = paramiko.Transport(sock, **options)
    transport.start_client(timeout=20)
    transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(key))
    return transport


def digest(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def noise(size):
    block = hashlib.sha512(str(size).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def read(channel):
    """Both streams to their ends, then how it ended."""
    out, err = bytearray(), bytearray()

    def drain(recv, into):
        while True:
            data = recv(65536)
            if not data:
                return
            into.extend(data)

    side = threading.Thread(target=drain, args=(channel.recv_stderr, err))
    side.start()
    drain(channel.recv, out)
    side.join()
    return f"out {digest(bytes(out))}, err {digest(bytes(err))}, status {channel.recv_exit_status()}"


def case(name, run):
    try:
        said = run()
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(f"{name}: {said}", flush=True)


def execute(transport, command, data=b""):
    channel = transport.open_session(timeout=20)
    channel.settimeout(60)
    channel.exec_command(command)
    feeder = threading.Thread(target=lambda: (channel.sendall(data), channel.shutdown_write()))
    feeder.start()
    said = read(channel)
    feeder.join()
    return said


def environment(transport):
    channel = transport.open_session(timeout=20)
    channel.set_environment_variable("TEST_ONE", "a b")
    try:
        channel.set_environment_variable("OTHER", "x")
        refused = "no answer"
    except Exception as error:
        refused = type(error).__name__
    channel.exec_command("env | grep -E '^(TEST_|OTHER)'")
    return refused, read(channel)


def terminal(transport):
    channel = transport.open_session(timeout=20)
    channel.get_pty("vt220", 99, 33)
    channel.exec_command("stty size; echo $TERM; read x; stty size; exit 4")
    while b"vt220" not in channel.recv(1000):
        pass
    channel.resize_pty(70, 20)
    time.sleep(0.2)
    channel.sendall(b"\n")
    return read(channel)


def files(transport):
    sftp = paramiko.SFTPClient.from_transport(transport)
    local, far = os.path.join(folder, "local"), os.path.join(sys.argv[5], "far")
    with open(local, "wb") as file:
        file.write(noise(7_000_001))
    sftp.put(local, far)
    sftp.get(far, local + "2")
    with sftp.open(far, "r") as file:
        chunks = list(file.readv([(6_000_000, 100_000), (0, 10), (3_000_000, 500_000)]))
        file.seek(100)
        middle = file.read(50)
    with sftp.open(far, "a") as file:
        file.set_pipelined(True)
        for _ in range(300):
            file.write(b"x" * 1000)
    with sftp.open(far, "r+") as file:
        file.truncate(1000)
    with open(local + "2", "rb") as file:
        returned = digest(file.read())
    sftp.symlink("far", far + "-link")
    facts = [returned, [digest(chunk) for chunk in chunks], digest(middle), sftp.stat(far).st_size]
    facts += [sftp.readlink(far + "-link"), sorted(sftp.listdir(sys.argv[5])), sftp.normalize(".")]
    for broken in (lambda: sftp.stat(far + "-none"), lambda: sftp.mkdir("/none/none"), lambda: sftp.open("/etc/shadow")):
        try:
            broken()
        except Exception as error:
            facts.append(f"{type(error).__name__} {error.args[0]}")
    return facts


def rekeys(transport):
    stop = threading.Event()

    def often():
        while not stop.wait(0.2):
            transport.renegotiate_keys()

    side = threading.Thread(target=often)
    side.start()
    said = execute(transport, "cat", noise(4_000_000))
    stop.set()
    side.join()
    return said


def half_closed(transport):
    channel = transport.open_session(timeout=20)
    channel.exec_command("cat; sleep 0.3; echo after; exit 9")
    channel.sendall(b"before\n")
    channel.shutdown_write()
    return read(channel)


def opened(transport, kind):
    """OpenSSH's server gives another reason than the one for an unknown type (RFC 4254 section 5.1)."""
    try:
        transport.open_channel(kind, timeout=20)
    except paramiko.ChannelException:
        return "refused"
    return "open"


def many(transport):
    said = {}

    def one(n):
        said[n] = execute(transport, f"cat; echo {n} >&2; exit {n}", noise(100_000 + n))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(said.items())


transport = connect()
case("exit 7", lambda: execute(transport, "echo a; echo b >&2; exit 7"))
case("signal", lambda: execute(transport, "kill -TERM $$; sleep 3"))
case("two megabytes", lambda: execute(transport, "cat", noise(2_000_000)))
case("both outputs", lambda: execute(transport, "head -c 900000 /dev/zero; head -c 900000 /dev/zero >&2"))
case("environment", lambda: environment(transport))
case("terminal", lambda: terminal(transport))
case("half closed", lambda: half_closed(transport))
case("ten at once", lambda: many(transport))
case("files", lambda: files(transport))
case("new keys", lambda: rekeys(transport))
case("unknown subsystem", lambda: transport.open_session(timeout=20).invoke_subsystem("nosuchsystem"))
case("unknown channel", lambda: opened(transport, "nosuch@example.com"))
case("global request", lambda: str(transport.global_request("nosuch@example.com", wait=True)))
transport.set_keepalive(1)
case("silence", lambda: execute(transport, "sleep 4; echo end"))
transport.close()
for window, packet, size in ((4096, 4096, 300_000), (32768, 32768, 1_000_000), (2**31 - 1, 2**31 - 1, 3_000_000), (100_000, 5000, 1_000_000)):
    small = connect(window, packet)
    case(f"window {window} packet {packet}", lambda: execute(small, "cat", noise(size)))
    small.close()
