"""An old copy of a store put back in place: the mesh notices, the actor stops, and `nctl restore` makes it right."""

import shutil

import pytest

from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until

ROLLED = 75


@pytest.fixture
def mesh(make_mesh, make_sink):
    sink = make_sink()
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)})
    mesh.sink = sink
    return mesh


def send(mesh, payloads, numbers):
    client = mesh.client()
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in numbers]
    for one in ids:
        client.wait_for(one, "sent")
    return ids


def keep_old_copy(mesh, actor):
    mesh[actor].stop()
    shutil.copytree(mesh[actor].store, mesh.folder / f"old-{actor}")
    mesh[actor].start()


def put_old_copy_back(mesh, actor):
    mesh[actor].stop()
    shutil.rmtree(mesh[actor].store)
    shutil.copytree(mesh.folder / f"old-{actor}", mesh[actor].store)


@pytest.mark.parametrize("actor", ["gateway-1", "router-1", "email-1"])
def test_a_store_that_went_back_in_time_is_noticed(mesh, actor):
    payloads = Payloads()
    send(mesh, payloads, range(5))
    keep_old_copy(mesh, actor)
    send(mesh, payloads, range(5, 15))
    put_old_copy_back(mesh, actor)
    mesh[actor].start(wait=False)
    assert mesh[actor].wait_end(20) == ROLLED, mesh[actor].log()[-2000:]
    mesh[actor].expected_exits.add(ROLLED)
    assert "restore" in mesh[actor].log().lower(), "the log says what to do"
    for other in mesh.actors.values():
        assert other.name == actor or other.running()


def test_restore_takes_a_new_epoch_and_work_goes_on(mesh):
    payloads = Payloads()
    send(mesh, payloads, range(5))
    backup = mesh.folder / "router.backup"
    mesh.nctl("backup", "router-1", backup, "--mesh", mesh.folder)
    send(mesh, payloads, range(5, 15))
    epoch = mesh["router-1"].status()["store"]["epoch"]
    mesh["router-1"].stop()
    refused = mesh.nctl("restore", "router-1", backup, "--mesh", mesh.folder, code=1)
    assert "--replace" in refused.stderr, "how to go on"
    (mesh["router-1"].store / "data.mdb").unlink()
    lost = mesh.nctl("check", "router-1", "--mesh", mesh.folder, code=1)
    assert "has lost its data.mdb" in lost.stderr, "a store that was there is not one that was never made"
    mesh.nctl("restore", "router-1", backup, "--replace", "--mesh", mesh.folder)
    mesh["router-1"].start()
    assert mesh["router-1"].status()["store"]["epoch"] > epoch
    send(mesh, payloads, range(20, 40))
    got = sorted(payloads.read(line)[0] for line in mesh.sink.got())
    assert sorted(set(got)) == [*range(15), *range(20, 40)], "all arrived, the old ones too"
    until(lambda: mesh["router-1"].status()["backlog"] == 0, "the restored actor to have nothing left to do")
