"""The contract with clients, asked at the door: who may, what is wrong with it, what was promised."""

import datetime
import time
import uuid

import msgpack
import pytest

from harness.certs import now, time_text
from harness.client import FINAL
from harness.mesh import one_of_each, smtp
from harness.waiting import until


def in_seconds(seconds):
    return time_text(now() + datetime.timedelta(seconds=seconds))


def valid(n=1, **more):
    return {"channel": "email", "recipient": f"api{n}@t.test", "subject": f"subject {n}", "content": f"content {n}",
            **more}


def pointers(answer):
    assert answer.status == 422, answer
    assert set(answer.body) >= {"type", "title", "status", "detail", "errors"}, answer.body
    return {error["pointer"] for error in answer.body["errors"]}


@pytest.fixture(scope="module")
def tenant(smtp_mesh):
    return smtp_mesh.client(smtp_mesh.service("tenant"))


@pytest.fixture(scope="module")
def stranger(smtp_mesh):
    return smtp_mesh.client(smtp_mesh.service("another"))


# -- Who asks

@pytest.mark.parametrize("key", [None, "", "nonsense", "0" * 32 + "-" + "0" * 32,
                                 "00000000000040008000000000000001-" + "f" * 32])
def test_no_key_or_a_wrong_one_is_401(smtp_mesh, key):
    answer = smtp_mesh.client(key).create(valid())
    assert answer.status == 401, answer
    assert "www-authenticate" in answer.headers
    assert answer.body["status"] == 401 and answer.body["title"]


def test_401_comes_before_the_body_is_read(smtp_mesh):
    assert smtp_mesh.client(None).create({"nonsense": 1}).status == 401


def test_a_scope_that_is_missing_is_403(smtp_mesh):
    reader = smtp_mesh.client(smtp_mesh.service("reader", scopes=["notifications:read"]))
    assert reader.create(valid()).status == 403
    assert reader.ask("notifications.list", {}).status == 200
    assert reader.ask("services.create", {"name": "mine"}).status == 403


def test_somebody_elses_is_404(tenant, stranger):
    one = tenant.send(valid(2))
    assert stranger.ask("notifications.get", {"id": one}).status == 404
    assert stranger.ask("notifications.cancel", {"id": one}).status == 404
    listed = stranger.ask("notifications.list", {"limit": 200}).body["items"]
    assert one not in {item["id"] for item in listed}
    unknown = stranger.ask("notifications.get", {"id": str(uuid.uuid4())})
    theirs = stranger.ask("notifications.get", {"id": one})
    assert {k: v for k, v in unknown.body.items() if k not in ("correlation_id", "instance", "detail")} == \
           {k: v for k, v in theirs.body.items() if k not in ("correlation_id", "instance", "detail")}


def test_an_unknown_operation_or_id_is_404(tenant):
    assert tenant.ask("notifications.explode", {}).status == 404
    assert tenant.ask("notifications.get", {"id": "no-uuid"}).status == 404


def test_a_deleted_key_and_a_service_that_is_off_do_not_work(smtp_mesh):
    admin = smtp_mesh.client()
    key = smtp_mesh.service("passing")
    assert smtp_mesh.client(key).ask("notifications.list", {}).status == 200
    service = smtp_mesh.services["passing"]
    (listed,) = admin.ask("keys.list", {"service_id": service}).body["items"]
    assert "key" not in listed, "a key is shown once"
    assert admin.ask("keys.delete", {"service_id": service, "key_id": listed["key_id"]}).status == 204
    assert smtp_mesh.client(key).ask("notifications.list", {}).status == 401


# -- What is wrong with it

FAULTS = [
    ({}, {"/channel", "/user_id"}),
    (valid(channel="pigeon"), {"/channel"}),
    (valid(recipient="not an address"), {"/recipient"}),
    (valid(recipient="a@b.test\r\nRCPT TO:<evil@t.test>"), {"/recipient"}),
    (valid(subject="one\r\nBcc: evil@t.test"), {"/subject"}),
    (valid(subject="x" * 999), {"/subject"}),
    (valid(priority="soon"), {"/priority"}),
    (valid(priority=7), {"/priority"}),
    (valid(send_at="tomorrow"), {"/send_at"}),
    (valid(expires_at="2020-01-01T00:00:00Z"), {"/expires_at"}),
    (valid(colour="red"), {"/colour"}),
    (valid(status="sent", id="x"), {"/status", "/id"}),
    (valid(metadata={"big": "x" * 5000}), {"/metadata"}),
    (valid(metadata=[1]), {"/metadata"}),
    (valid(dedupe_seconds=-1), {"/dedupe_seconds"}),
    (valid(at_most_once="yes"), {"/at_most_once"}),
    (valid(email={"headers": {"Bcc": "evil@t.test"}}), {"/email/headers/Bcc"}),
    (valid(email={"headers": {"X-Ok": "a\nb"}}), {"/email/headers/X-Ok"}),
    (valid(email={"cc": ["fine@t.test", "bad"]}), {"/email/cc/1"}),
    (valid(email={"attachments": [{"filename": "a", "content_type": "text/plain", "content_base64": "%%%"}]}),
     {"/email/attachments/0/content_base64"}),
    (valid(content=None), {"/content"}),
    (valid(type="email"), {"/type"}),
    ({"channel": "nope", "recipient": "bad", "colour": 1, "priority": 9, "send_at": "x"},
     {"/channel", "/colour", "/priority", "/send_at"}),
]


@pytest.mark.parametrize("body, expected", FAULTS, ids=[",".join(sorted(expected)) for _, expected in FAULTS])
def test_every_fault_is_named_with_its_pointer(tenant, body, expected):
    found = pointers(tenant.create(body))
    assert expected <= found, f"{expected - found} was not named, only {found}"


def test_a_body_that_is_no_object_is_400(tenant):
    for body in ([], "text", 7, None):
        assert tenant.create(body).status == 400


def test_content_at_its_limit_is_taken_and_beyond_it_refused(tenant):
    assert tenant.create(valid(content="x" * 256 * 1024)).status == 202
    assert pointers(tenant.create(valid(content="x" * (256 * 1024 + 1)))) == {"/content"}


@pytest.mark.parametrize("alias", ["type", "notification_type"])
def test_aliases_of_earlier_services_work(tenant, alias):
    body = valid(3)
    body[alias] = body.pop("channel")
    assert tenant.create(body).status == 202


# -- Idempotency

def test_the_same_key_and_body_give_the_first_answer_again(tenant):
    key = str(uuid.uuid4())
    first = tenant.create(valid(10), key=key)
    again = tenant.create(dict(reversed(valid(10).items())), key=f'"{key}"')
    assert (first.status, again.status) == (202, 202) and again.body == first.body
    assert again.headers.get("idempotent-replayed") == "true" and "idempotent-replayed" not in first.headers


def test_the_same_key_with_another_body_is_422(tenant):
    key = str(uuid.uuid4())
    assert tenant.create(valid(11), key=key).status == 202
    assert tenant.create(valid(12), key=key).status == 422


def test_a_key_belongs_to_its_service(tenant, stranger):
    key = str(uuid.uuid4())
    mine, theirs = tenant.create(valid(13), key=key), stranger.create(valid(13), key=key)
    assert mine.status == theirs.status == 202 and mine.body["id"] != theirs.body["id"]


def test_a_refused_request_may_be_mended_under_its_key(tenant):
    key = str(uuid.uuid4())
    assert tenant.create(valid(14, priority="soon"), key=key).status == 422
    assert tenant.create(valid(14), key=key).status == 202


def test_request_id_in_the_body_is_such_a_key(tenant):
    key = str(uuid.uuid4())
    first, again = tenant.create(valid(15, request_id=key)), tenant.create(valid(15, request_id=key))
    assert first.body["id"] == again.body["id"]
    assert tenant.create(valid(15, request_id=key), key="another").status == 422


def test_a_key_is_kept_over_a_restart(smtp_mesh, tenant):
    key = str(uuid.uuid4())
    first = tenant.create(valid(16), key=key)
    smtp_mesh["gateway-1"].restart()
    assert tenant.create(valid(16), key=key).body == first.body


def test_many_with_one_key_at_once_make_one(tenant):
    key = str(uuid.uuid4())
    asks = tenant.post([("notifications.create", valid(17), {"idempotency_key": key})] * 20)
    answers = tenant.collect(asks)
    assert {answer.status for answer in answers.values()} <= {202, 409}
    assert len({answer.body["id"] for answer in answers.values() if answer.status == 202}) == 1


def test_the_same_content_within_dedupe_seconds_is_the_same(tenant):
    first = tenant.create(valid(18, dedupe_seconds=60))
    again = tenant.create(valid(18, dedupe_seconds=60))
    assert (first.status, again.status) == (202, 200)
    assert again.body["id"] == first.body["id"] and again.body["deduplicated"] is True
    assert tenant.create(valid(18, content="other", dedupe_seconds=60)).status == 202


# -- Batch, list, cancel

def test_a_batch_takes_the_good_and_names_the_bad(tenant):
    answer = tenant.ask("notifications.batch", {"notifications": [valid(20), valid(21, priority="soon"), valid(22)]})
    assert answer.status == 202, answer
    assert (answer.body["accepted"], answer.body["rejected"]) == (2, 1)
    by_index = {item["index"]: item for item in answer.body["items"]}
    assert by_index[1]["status"] == 422 and by_index[1]["errors"][0]["pointer"] == "/priority"
    for index in (0, 2):
        tenant.wait_for(by_index[index]["id"], "sent")


def test_a_batch_of_a_thousand_is_taken_and_one_more_is_not(tenant):
    answer = tenant.ask("notifications.batch", {"notifications": [valid(n, send_at=in_seconds(3600)) for n in range(1000)]})
    assert answer.status == 202 and answer.body["accepted"] == 1000
    over = tenant.ask("notifications.batch", {"notifications": [valid(n) for n in range(1001)]})
    assert over.status == 422 and tenant.ask("notifications.batch", {"notifications": []}).status == 422
    for item in answer.body["items"][:3]:
        assert tenant.get(item["id"])["status"] == "scheduled"


def test_lists_page_through_everything_newest_first(smtp_mesh):
    pager = smtp_mesh.client(smtp_mesh.service("pager"))
    ids = [pager.send(valid(n, send_at=in_seconds(3600))) for n in range(25)]
    found, cursor, pages = [], None, 0
    while True:
        answer = pager.ask("notifications.list", {"limit": 10, **({"cursor": cursor} if cursor else {})})
        found += [item["id"] for item in answer.body["items"]]
        cursor, pages = answer.body["next_cursor"], pages + 1
        if not cursor:
            break
    assert found == ids[::-1] and pages == 3
    assert pager.ask("notifications.list", {"status": "sent"}).body["items"] == []
    assert len(pager.ask("notifications.list", {"status": "scheduled", "channel": "email"}).body["items"]) == 25
    assert pager.ask("notifications.list", {"cursor": "nonsense"}).status == 400
    assert pager.ask("notifications.list", {"limit": 201}).status == 422
    assert pager.ask("notifications.list", {"colour": "red"}).status == 422


def test_a_scheduled_one_can_be_cancelled_and_a_sent_one_not(tenant, sink):
    later = tenant.send(valid(30, send_at=in_seconds(2), recipient="cancelled@t.test"))
    assert tenant.get(later)["status"] == "scheduled"
    assert tenant.ask("notifications.cancel", {"id": later}).status == 200
    assert tenant.get(later)["status"] == "cancelled"
    assert tenant.ask("notifications.cancel", {"id": later}).status == 409
    sent = tenant.send(valid(31))
    tenant.wait_for(sent, "sent")
    assert tenant.ask("notifications.cancel", {"id": sent}).status == 409
    time.sleep(2.5)
    assert not sink.got("cancelled@t.test") and tenant.get(later)["status"] == "cancelled"


def test_what_is_being_retried_can_be_cancelled(tenant, sink):
    one = tenant.send(valid(32, recipient="retry+451@t.test"))
    until(lambda: tenant.get(one)["status"] == "retrying", "the first retry to be scheduled")
    answer = tenant.ask("notifications.cancel", {"id": one})
    assert answer.status in (200, 409), answer
    if answer.status == 200:
        assert tenant.wait_for(one, "cancelled")
    else:
        tenant.wait_for(one, "failed")


# -- Time

def test_send_at_is_waited_for(tenant, sink):
    recipient = "later@t.test"
    due = now() + datetime.timedelta(seconds=2)
    one = tenant.send(valid(40, send_at=time_text(due), recipient=recipient))
    assert tenant.get(one)["status"] == "scheduled" and tenant.get(one)["send_at"]
    tenant.wait_for(one, "sent")
    assert sink.got(recipient)[0]["t"] >= due.timestamp() - 0.05


def test_a_scheduled_one_survives_a_restart(smtp_mesh, tenant, sink):
    recipient = "later-restart@t.test"
    one = tenant.send(valid(41, send_at=in_seconds(2), recipient=recipient))
    smtp_mesh["gateway-1"].kill()
    smtp_mesh["gateway-1"].start()
    tenant.wait_for(one, "sent")
    assert len(sink.got(recipient)) == 1


def test_a_past_send_at_means_now(tenant):
    tenant.wait_for(tenant.send(valid(42, send_at="2020-01-01T12:00:00+02:00")), "sent")


def test_what_could_not_be_sent_in_time_expires(tenant, sink):
    recipient = "expires+451@t.test"
    one = tenant.send(valid(43, expires_at=in_seconds(0.5), recipient=recipient))
    record = tenant.wait_for(one, *FINAL)
    assert record["status"] == "expired", record
    assert not sink.got(recipient)


# -- Priorities and events

def test_the_urgent_overtake_the_rest(make_mesh, make_sink):
    sink = make_sink("priority")
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port, max_connections=1)})
    client = mesh.client()
    for actor in mesh.of_role("router"):
        actor.stop()
    low = [valid(n, priority="low") for n in range(300)]
    client.collect(client.submit(low))
    client.collect(client.submit([valid(1000 + n, priority="instant") for n in range(10)]))
    mesh["router-1"].start()
    until(lambda: len(sink.got()) >= 310, "all 310", 60)
    order = [line["recipient"] for line in sink.got()]
    last_urgent = max(order.index(f"api{1000 + n}@t.test") for n in range(10))
    assert last_urgent < 200, f"the last urgent one came as number {last_urgent} of 310"


def test_events_can_be_followed_from_a_cursor(smtp_mesh):
    follower = smtp_mesh.client(smtp_mesh.service("follower"))
    start = follower.ask("events.read", {"wait_ms": 0})
    assert start.status == 200 and start.body["items"] == [], start
    cursor = start.body["next_cursor"]
    one = follower.send(valid(50))
    follower.wait_for(one, "sent")
    seen = []
    while not any(event["event"] == "sent" for event in seen):
        answer = follower.ask("events.read", {"after": cursor, "wait_ms": 2000})
        assert answer.status == 200 and answer.body["next_cursor"]
        cursor = answer.body["next_cursor"]
        seen += answer.body["items"]
        assert len(seen) < 50
    assert {event["id"] for event in seen} == {one}, "a tenant sees its own events alone"
    assert [event["event"] for event in seen] == ["accepted", "queued", "sending", "sent"]
    quiet = follower.ask("events.read", {"after": cursor, "wait_ms": 300})
    assert quiet.status == 200 and quiet.body["items"] == []
    all_kept = follower.ask("events.read", {"after": "0"})
    assert [(event["id"], event["event"]) for event in all_kept.body["items"]] == [(event["id"], event["event"]) for event in seen]


def test_who_waits_for_an_event_is_answered_when_it_comes(smtp_mesh):
    waiter = smtp_mesh.client(smtp_mesh.service("waiter"))
    (ask,) = waiter.post([("events.read", {"wait_ms": 20000}, None)])
    began = time.monotonic()
    one = smtp_mesh.client(smtp_mesh.service("waiter")).send(valid(51))
    answer = waiter.collect([ask])[ask]
    assert [event["id"] for event in answer.body["items"]] and answer.body["items"][0]["id"] == one
    assert time.monotonic() - began < 15


def test_the_correlation_id_is_carried_and_a_bad_one_replaced(tenant):
    given = tenant.create(valid(60), correlation_id="order-42.a_b")
    assert given.headers["x-correlation-id"] == "order-42.a_b"
    assert tenant.get(given.body["id"])["correlation_id"] == "order-42.a_b"
    replaced = tenant.create(valid(61), correlation_id="bad id!")
    assert replaced.status == 202 and replaced.headers["x-correlation-id"] not in ("", "bad id!")


def test_health_is_open(smtp_mesh):
    anybody = smtp_mesh.client(None)
    assert anybody.ask("health", None).status == 200
    assert until(lambda: anybody.ask("health.ready", None).status == 200, "the mesh to be ready")


def test_no_status_names_a_thing_twice(smtp_mesh):
    """What every actor says of itself and what its role adds are one map."""
    def once(pairs):
        assert len(dict(pairs)) == len(pairs), f"a key comes twice: {[key for key, _ in pairs]}"
        return dict(pairs)
    for name in smtp_mesh.actors:
        asker = smtp_mesh.operator(name)
        asker.post([("status", None, None)])
        assert asker.socket.poll(5000), f"{name} does not answer"
        (reply,) = msgpack.unpackb(asker.socket.recv(), strict_map_key=False, object_pairs_hook=once)["replies"]
        assert reply["status"] == 200 and isinstance(reply["body"]["waiting"], list)
