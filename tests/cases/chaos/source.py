"""A service behind the target: asked for a number in a line, it sends so many bytes of a file, and closes.

    source.py FILE

Listens on 127.0.0.1 and says its port.
"""
import socket
import sys
import threading


def serve(peer):
    with peer:
        try:
            wanted = int(peer.makefile("rb").readline() or 0)
            with open(sys.argv[1], "rb") as file:
                peer.sendall(file.read(wanted))
        except (OSError, ValueError):
            pass


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
