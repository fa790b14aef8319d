"""A disk that fills up: new work is refused with 507, what was accepted stays, and it drains when there is room."""

import os
import subprocess
import time

import pytest

from harness.load import drain
from harness.ledger import Ledger
from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", folder], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        pytest.skip(f"SKIPPED FOR WANT OF RIGHTS: a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def put_on(mesh, actor, disk):
    store = mesh[actor].store
    os.symlink(disk / actor, store)
    (disk / actor).mkdir(mode=0o700)


def fill(client, ledger, payloads, seconds=60):
    """Sends until the gateway says 507."""
    n, full = 0, 0
    end = time.monotonic() + seconds
    while full < 3 and time.monotonic() < end:
        numbers = range(n, n + 50)
        n += 50
        filler = "x" * 20000
        asks = client.post([("notifications.create", {**payloads.request(i, f"u{i}@t.test"), "html": filler}, None)
                            for i in numbers])
        answers = client.collect(asks, 20)
        for i, ask in zip(numbers, asks):
            assert ask in answers, "a full gateway must answer"
            if answers[ask].status == 202:
                ledger.accept(i, answers[ask].body["id"], f"u{i}@t.test")
            else:
                assert answers[ask].status in (507, 503), answers[ask]
                full += 1
    assert full, "the disk never became full"
    return n


@pytest.mark.parametrize("victim", ["gateway-1", "router-1", "email-1"])
def test_a_full_disk_loses_nothing_and_drains(make_mesh, make_sink, small_disk, victim):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), start=False, providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 20, "retry_delays": "500ms", "breaker_open": "1s"},
                               "store": {"quota": "16M" if victim == "gateway-1" else "20M", "reserve": "2M"}})
    put_on(mesh, victim, small_disk)
    sink.mode("451") if victim == "email-1" else None
    mesh.start()
    client, ledger = mesh.client(), Ledger(payloads)
    if victim == "gateway-1":
        mesh["router-1"].freeze()
        fill(client, ledger, payloads)
        assert client.ask("notifications.list", {}).status == 200, "reading goes on"
        mesh["router-1"].thaw()
    else:
        ballast = small_disk / "ballast-of-the-test"
        asks = client.submit([payloads.request(n, f"u{n}@t.test") for n in range(100)])
        for n, answer in enumerate(client.collect(asks).values()):
            ledger.accept(n, answer.body["id"], f"u{n}@t.test")
        with open(ballast, "wb", buffering=0) as file:  # Somebody else fills the disk
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
        asks = client.submit([payloads.request(n, f"u{n}@t.test") for n in range(100, 400)])
        answers = client.collect(asks)
        for n, ask in enumerate(asks, 100):
            if answers[ask].status == 202:
                ledger.accept(n, answers[ask].body["id"], f"u{n}@t.test")
        time.sleep(2)
        sink.mode("ok")
        ballast.unlink()
        if not mesh[victim].running():
            assert mesh[victim].wait_end() == 74, "a failed commit ends with 74 and nothing else"
            mesh[victim].expected_exits.add(74)
            mesh[victim].start()
    load_records = drain(mesh, ledger, 120)
    ledger.check(sink, load_records).assert_good()
    until(lambda: client.create(payloads.request(99_999, "after@t.test")).status == 202, "new work to be taken again", 30)
