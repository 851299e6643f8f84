"""An SSH server that does what is allowed and rare: PORT HOSTKEY AUTHORIZED."""
import asyncio
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh

port, host_key, authorized = int(sys.argv[1]), sys.argv[2], sys.argv[3]


class Odd(asyncssh.SSHServerSession):
    def connection_made(self, channel):
        self.channel, self.command = channel, None

    def shell_requested(self):
        return False

    def pty_requested(self, *_):
        return False

    def exec_requested(self, command):
        self.command = command
        return command != "refused"

    def subsystem_requested(self, subsystem):
        return False

    def session_started(self):
        asyncio.get_event_loop().create_task(getattr(self, self.command.replace("-", "_"))())

    def data_received(self, data, _):
        pass

    def eof_received(self):
        return True

    async def status_first(self):
        self.channel._send_request(b"exit-status", (7).to_bytes(4, "big"))
        await asyncio.sleep(0.2)
        self.channel.write(b"after the status\n")
        self.channel.write_stderr(b"and here\n")
        await asyncio.sleep(0.2)
        self.channel.close()

    async def eof_first(self):
        self.channel.write(b"before\n")
        self.channel.write_eof()
        await asyncio.sleep(0.3)
        self.channel.exit(8)

    async def no_status(self):
        self.channel.write(b"no word\n")
        self.channel.close()

    async def eof_no_status(self):
        self.channel.write(b"no word\n")
        self.channel.write_eof()
        await asyncio.sleep(0.3)
        self.channel.close()

    async def killed(self):
        self.channel.write_stderr(b"last words\n")
        self.channel.exit_with_signal("SEGV", True, "it fell \u00fc over", "de")

    async def huge_status(self):
        self.channel.exit(2**32 - 1)

    async def silent(self):
        self.channel.exit(0)

    async def only_stderr(self):
        self.channel.write_stderr(b"x" * 3_000_000)
        self.channel.exit(3)

    async def disconnects(self):
        self.channel.write(b"one\n")
        await asyncio.sleep(0.2)
        self.channel.get_connection().disconnect(asyncssh.DISC_BY_APPLICATION, "enough")

    async def aborts(self):
        self.channel.write(b"one\n")
        await asyncio.sleep(0.2)
        self.channel.get_connection().abort()


class Server(asyncssh.SSHServer):
    def connection_made(self, connection):
        self.connection = connection

    def session_requested(self):
        # Windows and packets as small as a server may make them.
        return self.connection.create_server_channel(encoding=None, window=5, max_pktsize=3), Odd()


async def main():
    await asyncssh.listen("127.0.0.1", port, server_host_keys=[host_key], authorized_client_keys=authorized, server_factory=Server,
                          encoding=None, line_editor=False)
    await asyncio.Event().wait()


asyncio.run(main())
