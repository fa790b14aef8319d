"""Every answer an SMTP server can give, and what becomes of the notification."""

import datetime
import socket
import threading
import time

import pytest

from harness.mesh import smtp
from harness.sink import make_certificate
from harness.waiting import until

FIRST = 0.2    # The first retry of smtp_mesh in seconds; it doubles
JITTER = 0.10
SLACK = 0.6    # A busy machine is late, never early


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def gaps(attempts):
    return [moment(after["started_at"]) - moment(before["ended_at"]) for before, after in zip(attempts, attempts[1:])]


def outcomes(record):
    return [(attempt["outcome"], attempt.get("code", 0)) for attempt in record["attempts"]]


def letters_of(mesh, notification):
    listed = mesh.operator("deadletter-1").ask("dead_letters.list", {"limit": 200})
    assert listed.status == 200, listed
    return [item for item in listed.body["items"] if item["notification_id"] == notification]


def letter_of(mesh, notification):
    """The record comes from one actor and the letter from another, so it may take a moment."""
    return until(lambda: letters_of(mesh, notification), f"a dead letter of {notification}")[0]


def test_a_passing_refusal_is_retried_with_back_off(client, sink, payloads):
    recipient = "u+451x2@t.test"
    record = client.wait_for(client.send(payloads.request(1, recipient)), "sent")
    assert outcomes(record) == [("later", 451), ("later", 451), ("sent", 250)]
    for number, gap in enumerate(gaps(record["attempts"])):
        pause = FIRST * 2 ** number
        assert pause * (1 - JITTER) - 0.01 <= gap <= pause * (1 + JITTER) + SLACK, f"retry {number + 1} after {gap:.3f} s"
    assert [entry["event"] for entry in record["timeline"]].count("retry_scheduled") == 2
    assert len(sink.got(recipient)) == 1
    ids = {line["message_id"] for line in sink.lines(recipient=recipient)}
    assert len(ids) == 1, "each attempt has the same Message-ID"


def test_jitter_differs_from_one_to_the_next(client, payloads):
    ids = [client.send(payloads.request(n, f"j{n}+451x1@t.test")) for n in range(10, 18)]
    found = {round(gaps(client.wait_for(one, "sent")["attempts"])[0], 3) for one in ids}
    assert len(found) > 1, "eight retries were all due after the same pause"


def test_a_refusal_that_does_not_pass_uses_up_the_retries(smtp_mesh, client, payloads):
    one = client.send(payloads.request(2, "u2+452@t.test"))
    record = client.wait_for(one, "failed")
    assert outcomes(record) == [("later", 452)] * 4, "one try and three retries"
    letter = letter_of(smtp_mesh, one)
    assert letter["reason"] == "retries"
    whole = smtp_mesh.operator("deadletter-1").ask("dead_letters.get", {"id": letter["id"]}).body
    assert len(whole["attempts"]) == 4
    assert "says the script" in whole["attempts"][-1]["detail"], "the provider's own words are kept"


@pytest.mark.parametrize("script, code", [("550", 550), ("rcpt551", 551), ("554", 554)])
def test_a_refusal_for_good_is_a_dead_letter_at_once(smtp_mesh, client, sink, payloads, script, code):
    recipient = f"u3+{script}@t.test"
    one = client.send(payloads.request(3, recipient))
    record = client.wait_for(one, "failed")
    assert outcomes(record) == [("refused", code)]
    assert letter_of(smtp_mesh, one)["reason"] == "rejected"
    assert not sink.got(recipient)


def test_a_slow_answer_is_waited_for(client, sink, payloads):
    recipient = "u4+slow2@t.test"
    record = client.wait_for(client.send(payloads.request(4, recipient)), "sent")
    assert outcomes(record) == [("sent", 250)] and len(sink.got(recipient)) == 1


def test_a_slow_one_does_not_hold_up_the_others(client, payloads):
    slow = client.send(payloads.request(5, "u5+slow4@t.test"))
    began = time.monotonic()
    client.wait_for(client.send(payloads.request(6, "u6@t.test")), "sent")
    assert client.get(slow)["status"] == "sending", f"it was over after {time.monotonic() - began:.1f} s"
    client.wait_for(slow, "sent")


def test_a_connection_that_breaks_before_the_end_is_tried_again(client, sink, payloads):
    recipient = "u7+broken@t.test"
    record = client.wait_for(client.send(payloads.request(7, recipient)), "sent")
    assert record["attempts"][0]["outcome"] == "later", "it was surely not sent"
    assert len(sink.got(recipient)) == 1


def test_an_answer_that_never_came_is_uncertain_and_tried_again(client, sink, payloads):
    recipient = "u8+hidden@t.test"
    record = client.wait_for(client.send(payloads.request(8, recipient)), "sent")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["uncertain", "sent"]
    assert [line["answer"] for line in sink.got(recipient)] == ["hidden", 250]


def test_at_most_once_is_parked_instead(smtp_mesh, client, sink, payloads):
    recipient = "u9+hidden@t.test"
    one = client.send(payloads.request(9, recipient, at_most_once=True))
    record = client.wait_for(one, "failed")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["uncertain"]
    assert letter_of(smtp_mesh, one)["reason"] == "uncertain"
    assert len(sink.got(recipient)) == 1


def test_garbage_for_an_answer_harms_nobody(client, sink, payloads):
    recipient = "u10+garbage@t.test"
    client.wait_for(client.send(payloads.request(10, recipient)), "sent", "failed")
    client.wait_for(client.send(payloads.request(11, "u11@t.test")), "sent")


def test_a_replayed_dead_letter_is_delivered(smtp_mesh, client, sink, payloads):
    recipient = "u12@t.test"
    sink.mode("550")
    try:
        one = client.send(payloads.request(12, recipient))
        client.wait_for(one, "failed")
    finally:
        sink.mode("ok")
    letter = letter_of(smtp_mesh, one)
    answer = client.ask("dead_letters.replay", {"id": letter["id"]})
    assert answer.status == 202, answer
    record = client.wait_for(one, "sent")
    assert payloads.read(sink.wait_for(recipient)[0]) == (12, None)
    events = [entry["event"] for entry in record["timeline"]]
    assert events[-1] == "sent" and "replayed" in events and "failed" in events
    assert not letters_of(smtp_mesh, one), "a replayed letter is off the open list"


def test_replaying_many_by_filter(smtp_mesh, client, sink, payloads):
    sink.mode("553")
    try:
        ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(20, 26)]
        for one in ids:
            client.wait_for(one, "failed")
            letter_of(smtp_mesh, one)
    finally:
        sink.mode("ok")
    dry = client.ask("dead_letters.replay_many", {"filter": {"channel": "email", "reason": "rejected"},
                                                  "dry_run": True})
    assert dry.status in (200, 202) and dry.body["matched"] >= 6 and dry.body["replayed"] == 0, dry
    assert all(letters_of(smtp_mesh, one) for one in ids)
    for one in ids[:5]:
        assert client.ask("dead_letters.discard", {"id": letter_of(smtp_mesh, one)["id"]}).status == 204
    done = client.ask("dead_letters.replay_many", {"filter": {"channel": "email", "reason": "rejected"}})
    assert done.status == 202 and done.body["replayed"] >= 1, done
    client.wait_for(ids[5], "sent")
    assert client.get(ids[0])["status"] == "failed", "what was discarded stays failed"


def test_the_breaker_opens_half_opens_and_closes(make_mesh, make_sink, payloads):
    sink = make_sink("breaker")
    mesh = make_mesh(providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 3, "retry_delays": "100ms 200ms 400ms", "breaker_failures": 5,
                                         "breaker_open": "2s"}})
    client = mesh.client()
    sink.mode("421")
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(8)]
    until(lambda: len(sink.lines("refused")) >= 5, "five failures in a row")
    mesh["email-1"].wait_log("breaker")
    time.sleep(0.3)  # What was on its way when it opened
    opened = len(sink.lines("refused"))
    time.sleep(1.0)
    assert len(sink.lines("refused")) <= opened + 1, "an open breaker lets nothing through"
    late = client.send(payloads.request(20, "late@t.test"))
    until(lambda: len(sink.lines("refused")) > opened, "a trial after the pause", 10)
    sink.mode("ok")
    for one in [*ids, late]:
        record = client.wait_for(one, "sent", "failed", seconds=60)
        assert record["status"] == "sent", f"an outage used up the retries: {record['attempts']}"
    assert sorted(payloads.read(line)[0] for line in sink.got()) == [*range(8), 20]


def test_the_second_provider_takes_over(make_mesh, make_sink, payloads):
    first, second = make_sink("first"), make_sink("second")
    first.mode("421")
    mesh = make_mesh(providers={"one": smtp(first.port, priority=1), "two": smtp(second.port, priority=2)},
                     settings={"email": {"retry_delays": "100ms 200ms 400ms"}})
    client = mesh.client()
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(10)]
    records = [client.wait_for(one, "sent") for one in ids]
    assert {record["attempts"][-1]["provider"] for record in records} == {"two"}
    assert records[0]["attempts"][0]["provider"] == "one", "the lowest number is asked first"
    assert len(second.got()) == 10 and not first.got()
    asked = client.create(payloads.request(99, "u99@t.test", provider="two"))
    assert client.wait_for(asked.body["id"], "sent")["attempts"][0]["provider"] == "two"


def test_nobody_listening_is_an_outage_and_loses_nothing(make_mesh, make_sink, payloads):
    sink = make_sink("absent")
    mesh = make_mesh(providers={"sink": smtp(sink.port)},
                     settings={"email": {"retry_delays": "100ms 200ms 400ms", "breaker_open": "1s"}})
    client = mesh.client()
    sink.stop()
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(10)]
    time.sleep(1.5)
    sink.start()
    for one in ids:
        client.wait_for(one, "sent", seconds=60)
    assert sorted(payloads.read(line) for line in sink.got()) == [(n, None) for n in range(10)]


def test_a_wrong_tls_certificate_is_refused(make_mesh, make_sink, tmp_path, payloads):
    real, other = make_certificate(tmp_path, "real"), make_certificate(tmp_path, "other")
    named = make_certificate(tmp_path, "named", host="elsewhere.test")
    stranger, wrong_name = make_sink("stranger", tls=other), make_sink("wrong-name", tls=named)
    plain = make_sink("plain")
    mesh = make_mesh(providers={"stranger": smtp(stranger.port, tls="starttls", ca_file=real[0], priority=1),
                                "wrong-name": smtp(wrong_name.port, tls="starttls", ca_file=named[0], priority=2),
                                "stripped": smtp(plain.port, tls="starttls", ca_file=real[0], priority=3)},
                     settings={"email": {"retries": 1, "retry_delays": "100ms 200ms 400ms", "breaker_failures": 100}})
    client = mesh.client()
    for n, provider in enumerate(["stranger", "wrong-name", "stripped"]):
        one = client.send(payloads.request(n, f"u{n}@t.test", provider=provider))
        until(lambda one=one: client.get(one)["attempts"], "an attempt")
        time.sleep(0.5)
        record = client.get(one)
        assert record["status"] != "sent" and {a["outcome"] for a in record["attempts"]} <= {"later", "started"}, record
    for sink in (stranger, wrong_name, plain):
        assert not sink.got(), "a message was given to a server that is not who it should be"


def test_a_server_that_hangs_is_given_up(make_mesh, payloads):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held = []
        threading.Thread(target=lambda: [held.append(silent.accept()) for _ in range(1)], daemon=True).start()
        mesh = make_mesh(providers={"silent": smtp(silent.getsockname()[1], timeout_ms=1000)},
                         settings={"email": {"retries": 0, "breaker_failures": 100}})
        client = mesh.client()
        one = client.send(payloads.request(1, "u1@t.test"))
        until(lambda: [a for a in client.get(one)["attempts"] if a["outcome"] != "started"], "the end of the attempt")
        assert client.get(one)["attempts"][0]["outcome"] == "later", "nothing was sent yet"
