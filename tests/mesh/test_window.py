"""The one window in which a message can go out twice: the actor dies while the provider has it and has not answered."""

import pytest

from harness.mesh import smtp
from harness.waiting import until


@pytest.fixture
def mesh(make_mesh, make_sink):
    sink = make_sink()
    mesh = make_mesh(providers={"sink": smtp(sink.port)}, settings={"email": {"retries": 5, "retry_delays": "200ms 400ms 800ms"}})
    mesh.sink = sink
    return mesh


def die_in_the_window(mesh, client, request):
    """Kills email-1 while the sink holds the message back (it answers after two seconds)."""
    one = client.send(request)
    until(lambda: client.get(one)["status"] == "sending", "the attempt to be recorded")
    mesh["email-1"].kill()
    mesh["email-1"].start()
    return one


def test_retry_sends_it_again_and_says_so(mesh, payloads):
    client = mesh.client()
    recipient = "u1+slow2@t.test"
    record = client.wait_for(die_in_the_window(mesh, client, payloads.request(1, recipient)), "sent")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["uncertain", "sent"]
    got = mesh.sink.wait_for(recipient)
    assert 1 <= len(got) <= 2, "at most one more than the deaths in the window"
    assert len({line["message_id"] for line in got}) == 1, "a receiver can see that it is the same"


def test_at_most_once_parks_it(mesh, payloads):
    client = mesh.client()
    recipient = "u2+slow2@t.test"
    one = die_in_the_window(mesh, client, payloads.request(2, recipient, at_most_once=True))
    record = client.wait_for(one, "failed")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["uncertain"]
    letters = until(lambda: mesh.operator("deadletter-1").ask("dead_letters.list", {}).body["items"], "a dead letter")
    assert [(letter["notification_id"], letter["reason"]) for letter in letters] == [(one, "uncertain")]
    assert len(mesh.sink.got(recipient)) <= 1, "parked means that it is not sent again"


def test_a_channel_set_to_park_parks_all(make_mesh, make_sink, payloads):
    sink = make_sink("park")
    mesh = make_mesh(providers={"sink": smtp(sink.port)}, settings={"email": {"on_unknown": "park"}})
    client = mesh.client()
    record = client.wait_for(die_in_the_window(mesh, client, payloads.request(3, "u3+slow2@t.test")), "failed")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["uncertain"]


def test_a_death_outside_the_window_repeats_nothing(mesh, payloads):
    client = mesh.client()
    for n in range(10, 15):
        client.wait_for(client.send(payloads.request(n, f"u{n}@t.test")), "sent")
        mesh["email-1"].kill()
        mesh["email-1"].start()
    assert sorted(payloads.read(line) for line in mesh.sink.got()) == [(n, None) for n in range(10, 15)]
