"""Nemeses have teeth: what they set up does to a program of our own what it is to do to an actor."""

import os
import subprocess
import sys
import time
import types

import pytest

from chaos.disks import Shim
from chaos.network import Delay
from chaos.processes import Clock, Memory
from harness.hosts import Hosts
from harness.mesh import fast_build
from harness.waiting import until

FIELD = types.SimpleNamespace(build=fast_build(), hosts=None, hosts_missing=Hosts.missing())


def skip_without(why):
    if why:
        pytest.skip(f"SKIPPED FOR WANT OF A TOOL: {why}")


def python(code, *before, **env):
    return subprocess.run([*before, sys.executable, "-c", code], env={**os.environ, **env}, text=True,
                          capture_output=True, check=False)


def test_the_slow_network_is_slow_and_quick_again():
    skip_without(Hosts.missing())
    with Hosts("a", "b") as hosts:
        field = types.SimpleNamespace(build=fast_build(), hosts=hosts, hosts_missing=None)
        skip_without(Delay.missing(field))
        delay = Delay(field, host="a", delay_ms=100, jitter_ms=50, seed=1)

        def refused_after():
            began = time.monotonic()
            done = python(f"import socket; print(socket.socket().connect_ex(('{hosts['a'].address}', 1)))", *hosts["b"].enter())
            assert done.stdout == "111\n", done
            return time.monotonic() - began
        usual = refused_after()
        delay.start()
        slow = refused_after()
        delay.heal()
        assert slow > usual + 0.15, f"there and back took {slow:.3f} s, and {usual:.3f} s without delay"
        assert refused_after() < usual + 0.1


def test_the_slow_disk_is_slow(tmp_path):
    skip_without(Shim.missing(FIELD))
    code = ("import os, sys, time; fd = os.open('%s', os.O_WRONLY | os.O_CREAT); "
            "os.write(fd, b'x'); began = time.monotonic(); os.fdatasync(fd); print(time.monotonic() - began)") % (tmp_path / "redo.log")
    done = python(code, LD_PRELOAD=str(Shim.library(FIELD)), NM_SHIM="fdatasync:1+:delay150")
    assert 0.15 <= float(done.stdout) < 1, done


def test_the_clock_jumps_while_a_program_runs(tmp_path):
    skip_without(Clock.missing(FIELD))
    clock = Clock.__new__(Clock)
    clock.file = tmp_path / "clock"
    clock.set("+0")
    code = ("import sys, time; print(time.time(), time.monotonic(), flush=True); sys.stdin.readline(); "
            "print(time.time(), time.monotonic(), flush=True)")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, **clock.environment()})
    before = [float(word) for word in process.stdout.readline().split()]
    clock.set("+3600")
    process.stdin.write("\n")
    process.stdin.flush()
    after = [float(word) for word in process.stdout.readline().split()]
    process.wait()
    assert 3599 < after[0] - before[0] < 3610 and 0 <= after[1] - before[1] < 10


def test_who_wants_more_memory_than_it_has_is_killed(tmp_path):
    skip_without(Memory.missing(FIELD))
    group = Memory.__new__(Memory)
    group.folder = f"/sys/fs/cgroup/memory/nmesh-{os.getpid()}-test"
    os.makedirs(group.folder)
    try:
        group.write("memory.limit_in_bytes", 32 << 20)
        done = subprocess.run(["sh", "-c", f'echo $$ >{group.folder}/tasks && exec "$@"', "sh", sys.executable, "-c",
                               "x = bytearray(64 << 20); print(len(x))"], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == -9, done
    finally:
        until(lambda: os.rmdir(group.folder) is None, "the group to be empty", 2)
