"""Ports on loopback that a restarted process gets back: below the range from which the kernel takes its own.

A port is free from when it is picked until somebody binds it, so those who pick at the same time have ranges of their own:
each worker of a test run that has several, and everybody else (the ledger beside it).
"""

import os
import random
import socket

WORKERS = 4
FIRST, LAST = 12000, 32000

_given = set()


def _range():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    share = (LAST - FIRST) // (WORKERS + 1)
    place = int(worker[2:]) % WORKERS if worker.startswith("gw") else WORKERS
    return FIRST + place * share, FIRST + (place + 1) * share


def free_ports(count):
    found = []
    while len(found) < count:
        port = random.randrange(*_range())
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
