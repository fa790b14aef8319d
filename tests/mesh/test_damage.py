"""A damaged store: its actor does not serve it, ends with a code of its own, and a backup makes it right."""

import random

import pytest

from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until

DAMAGED, REFUSED = 65, 78
PAGE = 4096


@pytest.fixture
def mesh(make_mesh, make_sink):
    sink = make_sink()
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)})
    payloads, client = Payloads(), mesh.client()
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(30)]
    for one in ids:
        client.wait_for(one, "sent")
    mesh.ids = ids
    return mesh


def metric(actor, name):
    return next(one["count"] for one in actor.status()["metrics"] if one["name"] == name)


def test_an_actor_scrubs_its_store_beside_its_work(mesh):
    gateway = mesh["gateway-1"]
    until(lambda: metric(gateway, "nmesh_scrub_passes_total") == 1, "the first pass of the scrub")
    assert metric(gateway, "nmesh_scrub_records_total") >= 30
    assert metric(gateway, "nmesh_scrub_bytes_total") > 30 * 100


def test_a_store_whose_pages_were_lost_is_refused(mesh):
    gateway = mesh["gateway-1"]
    old = (gateway.store / "data.mdb").read_bytes()
    client = mesh.client()
    for n in range(100, 160):
        client.send(Payloads().request(n, f"u{n}@t.test"))
    gateway.stop()
    data = bytearray((gateway.store / "data.mdb").read_bytes())
    stale = [at for at in range(2 * PAGE, min(len(old), len(data)), PAGE) if old[at:at + PAGE] != data[at:at + PAGE]]
    assert stale, "nothing was written meanwhile"
    for at in stale:
        data[at:at + PAGE] = old[at:at + PAGE]
    (gateway.store / "data.mdb").write_bytes(data)
    gateway.expected_exits.add(REFUSED)
    gateway.start(wait=False)
    assert gateway.wait_end(20) == REFUSED
    assert "is damaged" in gateway.log() and "restore a backup" in gateway.log()


def test_a_value_that_rots_is_found_by_the_scrub(mesh):
    """A byte in the middle of a value, where no head and no list is: only reading it shows."""
    gateway = mesh["gateway-1"]
    gateway.stop()
    file = gateway.store / "data.mdb"
    whole, dice = file.read_bytes(), random.Random(5)
    for _ in range(200):
        data = bytearray(whole)
        data[dice.randrange(2 * PAGE, len(data))] ^= 1 << dice.randrange(8)
        file.write_bytes(data)
        check = mesh.nctl("check", "gateway-1", "--mesh", mesh.folder, code=None)
        if "records are bad" in check.stdout + check.stderr:
            break
    else:
        pytest.fail("no damage of a value was made in 200 tries")
    gateway.expected_exits.add(DAMAGED)
    gateway.start(wait=False)
    assert gateway.wait_end(20) == DAMAGED, gateway.log()[-2000:]
    assert gateway.events("store_corrupt") or gateway.events("value_corrupt")
