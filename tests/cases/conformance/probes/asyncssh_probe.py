"""What asyncssh sees: PORT USER KEY LOCAL FAR. Prints a line for each thing tried."""
import asyncio
import hashlib
import os
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh

port, user, key, local, far = int(sys.argv[1]), *sys.argv[2:6]


def digest(data):
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def noise(size):
    block = hashlib.sha512(str(size).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def connect():
    return asyncssh.connect("127.0.0.1", port, username=user, client_keys=[key], known_hosts=None, config=None,
                            agent_path=None, x509_trusted_certs=None)


async def case(name, run):
    try:
        said = await asyncio.wait_for(run, 60)
    except asyncio.TimeoutError:
        said = "hangs"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(f"{name}: {said}", flush=True)


async def execute(conn, command, data=b"", **options):
    process = await conn.create_process(command, encoding=None, **options)
    out, err = await process.communicate(data)
    return f"out {digest(out)}, err {digest(err)}, status {process.exit_status}, signal {process.exit_signal}"


class Trace(asyncssh.SSHClientSession):
    """Writes down what comes, in its order; bytes as how many."""

    def __init__(self):
        self.seen, self.over = [], asyncio.Event()

    def data_received(self, data, datatype):
        what = "err" if datatype else "out"
        if self.seen and self.seen[-1][0] == what:
            self.seen[-1] = (what, self.seen[-1][1] + len(data))
        else:
            self.seen.append((what, len(data)))

    def eof_received(self):
        self.seen.append(("eof", None))
        return True

    def exit_status_received(self, status):
        self.seen.append(("status", status))

    def exit_signal_received(self, signal, core_dumped, msg, lang):
        self.seen.append(("signal", signal, core_dumped, msg, lang))

    def connection_lost(self, exc):
        self.seen.append(("closed", str(exc)))
        self.over.set()


def unordered(seen):
    """A server is free to tell the end of the output before or after the program's, or to leave it to the close."""
    bytes_of = {what: sum(item[1] for item in seen if item[0] == what) for what in ("out", "err")}
    return bytes_of, [item for item in seen[:-1] if item[0] not in ("out", "err", "eof")], seen[-1]


async def trace(conn, command, eof=False, ordered=False, **options):
    channel, session = await conn.create_session(Trace, command, encoding=None, **options)
    if eof:
        channel.write_eof()
    await session.over.wait()
    return session.seen if ordered else unordered(session.seen)


async def signals(conn, name):
    process = await conn.create_process("trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.1; done")
    await process.stdout.readline()
    process.send_signal(name)
    result = await process.wait(timeout=20)
    return result.stdout, result.exit_status, result.exit_signal


async def unknown_requests(conn):
    """Answers come in the order of the requests, whoever gives them."""
    channel, session = await conn.create_session(Trace, "sleep 0.2; exit 5", encoding=None)
    asked = [channel._make_request(name) for name in (b"one@example.com", b"two@example.com")]
    answers = await asyncio.gather(*asked)
    await session.over.wait()
    return answers, unordered(session.seen)


async def terminal(conn):
    modes = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_VINTR: 2, asyncssh.PTY_OCRNL: 1}
    options = {"term_type": "vt100", "term_size": (91, 41, 910, 820), "term_modes": modes}
    process = await conn.create_process("stty -a | sed 's/speed.*baud//'; echo $TERM; read x; stty size; echo end", **options)
    said = [await process.stdout.readline()]
    while "vt100" not in said[-1]:
        said.append(await process.stdout.readline())
    process.change_terminal_size(50, 10)
    await asyncio.sleep(0.2)
    process.stdin.write("x\n")
    result = await process.wait(timeout=20)
    return said, result.stdout, result.exit_status


async def files(conn):
    facts = []
    async with conn.start_sftp_client() as sftp:
        with open(f"{local}/a", "wb") as file:
            file.write(noise(4_000_001))
        for block, requests in ((16384, 128), (1000, 64), (261120, 2), (32768, 1)):
            size = 4_000_001 if block > 1000 else 300_001
            with open(f"{local}/b", "wb") as file:
                file.write(noise(size))
            await sftp.put(f"{local}/b", f"{far}/b", block_size=block, max_requests=requests)
            await sftp.get(f"{far}/b", f"{local}/c", block_size=block, max_requests=requests)
            with open(f"{local}/c", "rb") as file:
                facts.append(digest(file.read()))
        await asyncio.gather(*(sftp.put(f"{local}/a", f"{far}/n{n}") for n in range(8)))
        async with sftp.open(f"{far}/n0", "rb") as file:
            parts = await asyncio.gather(*(file.read(1000, at) for at in range(3_900_000, 0, -200_000)))
            facts.append(digest(b"".join(parts)))
        facts.append(sorted(await sftp.listdir(far)))
        facts.append((await sftp.statvfs(far)).bsize)
        await sftp.posix_rename(f"{far}/n1", f"{far}/n2")
        await sftp.link(f"{far}/n2", f"{far}/hard")
        await sftp.setstat(f"{far}/n2", asyncssh.SFTPAttrs(permissions=0o600, size=100))
        facts.append((await sftp.stat(f"{far}/hard")).size)
        for broken in (sftp.stat(f"{far}/none"), sftp.mkdir("/none/none"), sftp.rmdir(far), sftp.open("/etc/shadow")):
            try:
                await broken
            except asyncssh.SFTPError as error:
                facts.append((error.code, error.reason))
    return facts


async def main():
    async with connect() as conn:
        await case("exit 7", execute(conn, "echo a; echo b >&2; exit 7"))
        await case("order: status", trace(conn, "echo a; echo b >&2; exit 7"))
        await case("order: late output", trace(conn, "(sleep 0.5; echo late) & exit 3", ordered=True))
        await case("order: closed outputs", trace(conn, "exec >&- 2>&-; sleep 0.3; exit 4", ordered=True))
        await case("order: signal", trace(conn, "kill -TERM $$; sleep 2"))
        # In a folder of its own: there is no core where another process is just leaving one.
        core = 'd=$(mktemp -d); cd $d; (sleep 5; rm -r $d) </dev/null >/dev/null 2>&1 & ulimit -c unlimited; kill -SEGV $$; sleep 2'
        await case("order: signal with a core", trace(conn, core))
        await case("order: unusual signal", trace(conn, "kill -XCPU $$; sleep 2"))
        await case("order: terminal", trace(conn, "echo a; exit 5", term_type="xterm"))
        await case("order: early end of input", trace(conn, "sleep 0.3; cat; echo end", eof=True))
        await case("order: much output", trace(conn, "head -c 5000000 /dev/zero; exit 6"))
        await case("three megabytes", execute(conn, "cat", noise(3_000_000)))
        for name in ("USR1", "TERM", "KILL", "nosuch@example.com"):
            await case(f"signal {name}", signals(conn, name) if name == "USR1" else trace_signal(conn, name))
        await case("unknown requests", unknown_requests(conn))
        await case("terminal", terminal(conn))
        await case("environment", execute(conn, "env | grep -E '^(TEST|OTHER)' | sort", env={"TEST_A": "1", "OTHER": "2"}))
        await case("long command", execute(conn, "echo ${#x} " + "y" * 120_000))
        await case("too long a command", execute(conn, "echo ${#x} " + "y" * 200_000))
        await case("forty at once", asyncio.gather(*(execute(conn, f"cat; exit {n}", noise(50_000 + n)) for n in range(40))))
        await case("files", files(conn))
        for window, packet, size in ((1, 1, 1000), (1, 32768, 1000), (7, 3, 3000), (100, 65536, 50_000), (2**31 - 1, 2**31 - 1, 3_000_000),
                                     (2**32 - 1, 262144, 3_000_000), (2_000_000, 1, 5_000), (5_000_000, 300_000, 3_000_000)):
            options = {"window": window, "max_pktsize": packet}
            await case(f"window {window} packet {packet}", execute(conn, "cat", noise(size), **options))
    async with connect() as conn:
        await case("zero byte in a command", broken_off(conn, "echo a\0b"))


async def broken_off(conn, command):
    """OpenSSH's server breaks the connection off; how that is told is a gateway's own."""
    try:
        process = await conn.create_process(command, encoding=None)
        await process.communicate()
        return "ended", process.exit_status, process.exit_signal
    except (asyncssh.ChannelOpenError, asyncssh.DisconnectError):
        return "ended", None, None


async def trace_signal(conn, name):
    channel, session = await conn.create_session(Trace, "echo ready; sleep 1; exit 8", encoding=None)
    # A server cannot signal what it has not started yet, and says nothing about it.
    while not session.seen:
        await asyncio.sleep(0.01)
    channel.send_signal(name)
    await session.over.wait()
    return unordered(session.seen)


asyncio.run(main())
