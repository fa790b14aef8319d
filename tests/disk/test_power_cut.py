"""Power cuts: what was not synced is lost, and nothing that was acknowledged is among it."""

import contextlib
import os
import random
import subprocess
import time

import pytest

from harness.load import Load, drain
from harness.losefs import LoseFs
from harness.mesh import Mesh, fast_build, one_of_each, smtp
from harness.payload import Payloads
from harness.sink import SmtpSink

CUTS = int(os.environ.get("NM_CUTS", "6"))
SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))


@pytest.fixture
def losefs(tmp_path):
    why = LoseFs.missing(fast_build())
    if why:
        pytest.skip(why)
    disk = LoseFs(fast_build(), tmp_path / "backing", tmp_path / "mount").start()
    yield disk
    disk.leave()


def test_a_writer_finds_all_that_it_was_promised(losefs, capsys):
    """Cut in every phase of its work; in half of the cuts a part of the unsynced had reached the disk."""
    dice = random.Random(SEED)
    program, store = fast_build() / "tests/disk/cut_writer", losefs.mount / "store"
    last, promised = 0, 0
    for _ in range(CUTS):
        writer = subprocess.Popen([program, "write", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(dice.uniform(0.1, 0.7))
        losefs.cut(half=dice.random() < 0.5)
        writer.kill()
        said, log = writer.communicate()
        turns = [int(line) for line in said.split(b"\n")[:-1] if line.isdigit()]
        assert turns or last, f"it did not get to work: {said}{log}"
        promised += len(turns)
        last = turns[-1] if turns else last
        losefs.restart()
        check = subprocess.run([program, "check", store, str(last)], capture_output=True, text=True, check=False)
        assert check.returncode == 0, f"seed {SEED}, cut {losefs.cuts}: {check.stdout}{check.stderr}"
        last = int(check.stdout.split()[1])
    with capsys.disabled():
        print(f"\npower cuts: seed {SEED}, {losefs.cuts} cuts of a writer, {promised} turns acknowledged, 0 lost")
    assert promised > CUTS * 10, "there was hardly any work"


@pytest.fixture
def mesh_on_losefs(tmp_path):
    """A mesh whose stores all stand on a disk that can be cut, and its sink, which does not."""
    why = LoseFs.missing(fast_build())
    if why:
        pytest.skip(why)
    sink = SmtpSink(tmp_path, "sink", keep=False)
    mesh = Mesh(one_of_each(), build=fast_build(), label="power", providers={"sink": smtp(sink.port)},
                settings={"email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"},
                          "store": {"reserve": "4M"}})
    disk = LoseFs(fast_build(), tmp_path / "backing", mesh.folder / "stores").start()
    for actor in mesh.actors.values():
        actor.expected_exits |= {74, 65}  # Its disk is gone
    with contextlib.ExitStack() as stack:
        stack.callback(sink.stop)
        stack.callback(mesh.close)
        stack.callback(disk.leave)
        for actor in mesh.actors.values():
            stack.callback(lambda actor=actor: actor.running() and actor.stop())
        mesh.start()
        yield mesh, sink, disk


def test_a_mesh_loses_nothing_that_it_accepted(mesh_on_losefs, capsys):
    mesh, sink, disk = mesh_on_losefs
    dice, payloads = random.Random(SEED), Payloads()
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=200, patience=1.0)
    load.start()
    for _ in range(max(1, CUTS // 3)):
        time.sleep(dice.uniform(0.5, 1.5))
        disk.cut(half=dice.random() < 0.5)
        for actor in mesh.actors.values():
            actor.kill()
        disk.restart()
        mesh.start()
        assert not load.failure, load.failure
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    with capsys.disabled():
        print(f"\npower cuts: seed {SEED}, {disk.cuts} cuts of a whole mesh: {report.line()}")
    report.assert_good()
    assert report.accepted > disk.cuts * 20, "there was hardly any load"
