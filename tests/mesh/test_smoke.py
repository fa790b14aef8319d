"""A mesh of four comes up, delivers, keeps a dead letter and stops in good order. Also run under valgrind and the
thread sanitizer (NM_WRAP holds the command before each actor)."""

import os
import shlex

import pytest

from harness.mesh import Mesh, smtp


@pytest.fixture
def mesh(make_sink):
    sink = make_sink()
    mesh = Mesh(providers={"sink": smtp(sink.port)}, settings={"email": {"retries": 1, "retry_delays": "100ms 200ms 400ms"}},
                wrap=shlex.split(os.environ.get("NM_WRAP", "")), label="smoke")
    mesh.sink = sink
    try:
        yield mesh.start()
    except BaseException:
        mesh.close(failed=True)
        raise
    mesh.close()


def test_a_mesh_delivers_buries_and_stops(mesh, payloads):
    client = mesh.client()
    recipients = {n: f"u{n}@t.test" for n in range(20)}
    ids = {n: client.send(payloads.request(n, recipient)) for n, recipient in recipients.items()}
    bad = client.send(payloads.request(100, "u100+550@t.test"))
    for n, one in ids.items():
        client.wait_for(one, "sent", seconds=60)
    assert client.wait_for(bad, "failed", seconds=60)["attempts"][0]["code"] == 550
    got = mesh.sink.got()
    assert sorted(payloads.read(line) for line in got) == [(n, None) for n in range(20)]
    letters = mesh.operator("deadletter-1").ask("dead_letters.list", {})
    assert [item["notification_id"] for item in letters.body["items"]] == [bad]
    for actor in mesh.actors.values():
        assert actor.stop() == 0
