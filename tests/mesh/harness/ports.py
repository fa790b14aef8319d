"""Ports on loopback that a restarted process gets back: below the range from which the kernel takes its own.

A port is free from when it is picked until somebody binds it, so processes that pick at the same time, the workers of a test
run and other runs on the machine, have ranges of their own: whoever holds the lock of a range has it.
"""

import fcntl
import functools
import pathlib
import random
import socket
import tempfile

FIRST, LAST, RANGES = 6000, 32000, 6

_given = set()
_locks = []     # They hold until this process ends


@functools.cache
def _range():
    share = (LAST - FIRST) // RANGES
    for place in range(RANGES):
        lock = open(pathlib.Path(tempfile.gettempdir()) / f"nmesh-ports-{place}.lock", "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return FIRST + place * share, FIRST + (place + 1) * share
    return FIRST, LAST      # More than that run at once: they may meet


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
