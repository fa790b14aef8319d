"""Ports on loopback that a restarted process gets back: below the range from which the kernel takes its own."""

import random
import socket

_given = set()


def free_ports(count):
    found = []
    while len(found) < count:
        port = random.randrange(12000, 32000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        found.append(port)
    return found
