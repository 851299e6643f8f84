"""A wire between two network namespaces that delays, loses and holds up packets.

    wire.py PID ADDRESS PID ADDRESS

Each end is a TUN device in the network namespace of a process. Orders come on the standard input, one a line, any of
`delay=MS jitter=MS loss=PERCENT rate=KBIT cut=0|1`; a rate of 0 is none. Says `up` when it is. Ends with its input.
"""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

CLONE_NEWNET, TUNSETIFF, IFF_TUN_NO_PI = 0x40000000, 0x400454CA, 0x1001
QUEUE = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")


def end(pid, address):
    own, other = (os.open(f"/proc/{who}/ns/net", os.O_RDONLY) for who in ("self", pid))
    enter(other)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = "wire" + address.split(".")[2]
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    for words in (["addr", "add", address, "dev", name], ["link", "set", name, "mtu", "9000", "up"], ["link", "set", "lo", "up"]):
        subprocess.run(["ip"] + words, check=True)
    enter(own)
    os.close(own)
    os.close(other)
    return device


class Direction:
    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.free = self.last = 0.0
        self.queued = 0


def main():
    settings = {"delay": 0.0, "jitter": 0.0, "loss": 0.0, "rate": 0.0, "cut": 0.0}
    ends = [end(sys.argv[1], sys.argv[2]), end(sys.argv[3], sys.argv[4])]
    directions = {ends[0]: Direction(*ends), ends[1]: Direction(ends[1], ends[0])}
    waiting, number = [], 0
    print("up", flush=True)
    while True:
        wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([0] + ends, [], [], wait)
        now = time.monotonic()
        if 0 in ready:
            line = os.read(0, 4096)
            if not line:
                return
            for word in line.decode().split():
                name, value = word.split("=")
                settings[name] = float(value)
        for source in ends:
            way = directions[source]
            for _ in range(32 if source in ready else 0):
                try:
                    packet = os.read(source, 65536)
                except BlockingIOError:
                    break
                if settings["cut"] or random.random() * 100 < settings["loss"] or way.queued > QUEUE:
                    continue
                due = now
                if settings["rate"]:
                    way.free = due = max(now, way.free) + len(packet) * 8 / (settings["rate"] * 1000)
                due += max(0.0, settings["delay"] + random.uniform(-1, 1) * settings["jitter"]) / 1000
                # Packets do not overtake each other.
                way.last = due = max(due, way.last)
                way.queued += len(packet)
                number += 1
                heapq.heappush(waiting, (due, number, way, packet))
        while waiting and waiting[0][0] <= now:
            _, _, way, packet = heapq.heappop(waiting)
            way.queued -= len(packet)
            try:
                os.write(way.sink, packet)
            except OSError:
                pass


main()
