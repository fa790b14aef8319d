"""What a tenant may try against the API: other tenants' ids, texts that are commands elsewhere, fields that are not his to
set, keys and cursors of others. The rows of wire/api.h and the fields of wire/asks.h are gone through one by one, so what is
added there is tried here."""

import json
import time
import urllib.parse
import uuid

import pytest

from harness.mesh import one_of_each, smtp
from harness.tables import fields, put, rows, texts
from harness.waiting import until, within
from harness.web import statuses

ROWS, SHAPES = rows(), fields()
UNKNOWN = "018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b"
MARK = "evil-mark"
EVIL = f"x\r\nBcc: {MARK}@t.test\r\nX-Evil: {MARK}\r\n\r\n\x1b[31m{MARK}"


@pytest.fixture(scope="module")
def mesh(make_module_mesh, sink):
    return make_module_mesh(one_of_each(bridge=1, gateway=2), providers={"sink": smtp(sink.port)},
                            settings={"email": {"retries": 1, "retry_delays": "100ms", "breaker_failures": 1000}})


@pytest.fixture(scope="module")
def admin(mesh):
    return mesh.web()


@pytest.fixture(scope="module")
def web(mesh):
    return mesh.web(mesh.service("attacker"))


@pytest.fixture(scope="module")
def victim(mesh):
    return mesh.web(mesh.service("victim"))


def valid(**more):
    return {"channel": "email", "recipient": "u1@t.test", "subject": "s", "content": "c", **more}


def plain(answer):
    """What of an answer may not tell one thing that is not there from another."""
    body = {k: v for k, v in (answer.body or {}).items() if k not in ("correlation_id", "instance")}
    return answer.status, body, sorted(name for name in answer.headers if name not in ("date", "x-correlation-id"))


@pytest.fixture(scope="module")
def things(mesh, admin, victim):
    """By the beginning of a path: the parameters that name something of the victim's. A new sort of thing needs a line."""
    until(lambda: victim.get("/v1/dead-letters").status == 200, "all to be linked")
    send = victim.send(valid(send_at="2099-01-01T00:00:00Z"))
    dead = victim.send(valid(recipient="u2+550@t.test"))
    #  Gateways take turns, and the other one may not be linked yet: then it is 503
    letters = until(lambda: [one for one in victim.get("/v1/dead-letters").body.get("items", []) if one["notification_id"] == dead],
                    "a dead letter")
    user = victim.post("/v1/users", {"email": "ada@t.test", "name": "Ada"})
    assert user.status == 201, user
    service = mesh.services["victim"]
    key = admin.get(f"/v1/services/{service}/keys").body["items"][0]["key_id"]
    return {"/v1/notifications": {"id": send}, "/v1/dead-letters": {"id": letters[0]["id"]},
            "/v1/services/{service_id}": {"service_id": service, "key_id": key}, "/v1/services": {"id": service},
            "/v1/providers": {"name": "sink"}, "/v1/users": {"id": user.body["id"]}}


def parameters(things, row):
    begin = max((one for one in things if row.path.startswith(one)), key=len, default=None)
    assert begin, f"{row.path}: what of the victim's does it name? Add it to things"
    return things[begin]


def fill(path, values):
    for name, value in values.items():
        path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
    assert "{" not in path, path
    return path


def ask(web, row, values):
    body = {} if row.method in ("POST", "PUT", "PATCH") else None
    return web.ask(row.method, fill(row.path, values), body)


NAMING = [row for row in ROWS if "{" in row.path]
TAKING = [row for row in ROWS if row.method in ("POST", "PUT", "PATCH") and row.shape != "NULL"]


def name_of(row):
    return f"{row.method} {row.path}"


def test_the_table_is_read_whole():
    assert len(NAMING) >= 15 and len(TAKING) >= 12
    assert all(SHAPES.get(row.shape) for row in TAKING), [row for row in TAKING if not SHAPES.get(row.shape)]


@pytest.mark.parametrize("row", NAMING, ids=name_of)
def test_what_is_anothers_is_answered_as_if_it_were_not_there(web, things, row):
    theirs = parameters(things, row)
    nobodys = {name: UNKNOWN if name != "name" else "nobody" for name in theirs}
    found, missing = ask(web, row, theirs), ask(web, row, nobodys)
    assert plain(found) == plain(missing)
    assert found.status == (403 if row.scope == "ADMIN" else 404), found


@pytest.mark.parametrize("row", NAMING, ids=name_of)
def test_an_id_that_is_none_is_404(web, admin, things, row):
    names = list(parameters(things, row))
    for odd in ("x", "0", "null", UNKNOWN + "0", "{" + UNKNOWN + "}", "a" * 65, "a" * 3000, "%00", "\x00", "\r\nX: y", "é",
                "../services", "'or 1=1--", "*"):
        answer = ask(admin if row.scope == "ADMIN" else web, row, {name: odd for name in names})
        assert answer.status == 404 or (names == ["name"] and answer.status == 422), (odd, answer)
        assert "x" not in answer.headers


# -- Texts

def assert_well(answer):
    assert answer.status < 500, answer
    assert not any(name in ("bcc", "x-evil") for name in answer.headers), answer.headers
    assert b"\r\nBcc" not in answer.raw and b"\x1b" not in answer.raw, answer


BASES = {"request": valid(send_at="2099-01-01T00:00:00Z"), "key_new": {"name": "k"}, "service_new": {"name": "s"},
         "provider_new": {"name": "p", "kind": "sandbox", "config": {}}, "user_new": {"email": "x@t.test"}}


def test_line_ends_in_any_text_stay_in_it(mesh, admin, web, victim, things, sink):
    """Each text of each body in turn: refused, or carried as text. No answer, log line or e-mail has it as a line of its own."""
    tried = 0
    for row in TAKING:
        asker = admin if row.scope == "ADMIN" else victim
        path = fill(row.path, parameters(things, row)) if "{" in row.path else row.path
        for place, kind in texts(row.shape, SHAPES):
            if "{" + place[0] + "}" in row.path or row.op == "services.delete":
                continue
            for value in (EVIL, "a\nb", "a\rb", "a\x00b", "a\u2028b", "\x7f"):
                body = put(BASES.get(row.shape, {}), place, [value] if kind == "LINES" else value)
                answer = asker.ask(row.method, path, body)
                assert_well(answer)
                if kind in ("ENUM", "ID", "TIME", "REF") or (kind == "LINE" and value == EVIL):
                    assert answer.status in (400, 403, 404, 422), (name_of(row), place, answer)
                tried += 1
    assert tried > 300
    #  Content may have lines: they stay in the body of the e-mail.
    body = valid(subject="s" * 990, content=EVIL.replace("\x1b", " "), html=f"<p>{EVIL}</p>".replace("\x1b", " "),
                 email={"headers": {"X-Own": "v"}, "from_name": "Ada"})
    one = victim.send(body)
    victim.wait_for(one, "sent")
    for headers in ({"X-Own": EVIL}, {"Bcc": "x@t.test"}, {"X-A\r\nBcc": "x@t.test"}, {"X-A: b": "c"}):
        assert victim.post("/v1/notifications", valid(email={"headers": headers})).status == 422
    for recipient in ("u1@t.test\r\nRCPT TO:<x@t.test>", "u1@t.test, x@t.test", "<u1@t.test>", "u1@t.test\x00"):
        assert victim.post("/v1/notifications", valid(recipient=recipient)).status in (400, 422)
    for line in sink.lines():
        assert MARK not in line.get("recipient", ""), line
    for line in sink.got():
        message = sink.message(line)
        assert not message["Bcc"] and not message["X-Evil"], line
    assert any(sink.message(line)["X-Own"] == "v" for line in sink.got()), "the one with headers of its own came"
    for actor in mesh.actors.values():
        for text in actor.log().splitlines():
            assert not text.startswith(("Bcc:", "X-Evil:", MARK)), (actor.name, text)
            assert "\x1b" not in text and "\x00" not in text, (actor.name, text)


@pytest.mark.parametrize("header", ["X-Correlation-ID", "traceparent", "Idempotency-Key", "User-Agent", "X-Forwarded-For"])
def test_odd_bytes_of_a_header_come_back_nowhere(web, header):
    for value in (b"a\x01b", b"a\xffb", b"a\tb\x7f", b"%0d%0aX-Evil: 1"):
        answer = web.ask("GET", "/v1/notifications", headers={header: value})
        assert answer.status in (200, 400), answer
        assert "x-evil" not in answer.headers and b"\x01" not in repr(answer.header_list).encode()


# -- Fields

@pytest.mark.parametrize("row", TAKING, ids=name_of)
def test_a_field_that_is_not_ones_to_set_is_refused(web, admin, victim, things, row):
    asker = admin if row.scope == "ADMIN" else victim
    path = fill(row.path, parameters(things, row)) if "{" in row.path else row.path
    for extra in ("zz_unknown", "__proto__", "service", "created_at", "is_admin", "attempts"):
        answer = asker.ask(row.method, path, {**BASES.get(row.shape, {}), extra: {"id": 1}})
        assert answer.status == 422, (extra, answer)
        assert f"/{extra}" in [error["pointer"] for error in answer.body["errors"]], answer.body


def test_status_and_owner_of_a_notification_cannot_be_given(web, mesh):
    for extra in ({"status": "sent"}, {"id": UNKNOWN}, {"service_id": mesh.services["victim"]}, {"correlation_id": "c"}):
        answer = web.post("/v1/notifications", valid(**extra))
        assert answer.status == 422 and answer.body["errors"][0]["pointer"] == f"/{next(iter(extra))}", answer


def test_another_service_cannot_be_named_in_a_query(web, mesh):
    theirs = mesh.services["victim"]
    for path in ("/v1/notifications", "/v1/dead-letters"):
        found, missing = web.get(f"{path}?service_id={theirs}"), web.get(f"{path}?service_id={UNKNOWN}")
        assert plain(found) == plain(missing) and found.status == 404
    stream = web.stream(f"/v1/events?service_id={theirs}")
    assert stream.status == 404
    stream.close()


# -- Idempotency

def test_a_key_is_good_for_one_body_of_one_service(web, victim):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    mine, theirs = web.post("/v1/notifications", valid(), headers=key), victim.post("/v1/notifications", valid(), headers=key)
    assert mine.status == theirs.status == 202 and mine.body["id"] != theirs.body["id"]
    again = web.post("/v1/notifications", valid(), headers=key)
    assert again.body["id"] == mine.body["id"] and again.headers["idempotent-replayed"] == "true"
    assert web.post("/v1/notifications", valid(content="other"), headers=key).status == 422
    assert web.post("/v1/notifications/batch", {"notifications": [valid()]}, headers=key).status == 422
    assert web.post("/v1/notifications", valid(request_id="another"), headers=key).status == 422


def test_odd_keys_are_refused_or_kept_apart(web):
    for key in ("k" * 256, "k" * 4000, "\x01", '""', " "):
        assert web.post("/v1/notifications", valid(), headers={"Idempotency-Key": key}).status in (202, 400, 422), key
    ids = {web.post("/v1/notifications", valid(), headers={"Idempotency-Key": key}).body["id"]
           for key in ("a", "A", "a.", "a%00", "a" * 255)}
    assert len(ids) == 5


# -- Queries and cursors

def test_odd_queries_are_refused_quickly(web):
    for query, status in (("limit=201", 422), ("limit=0", 422), ("limit=-1", 422), ("limit=1e2", 422), ("limit=" + "9" * 400, 422),
                          ("limit=1&limit=2", 422), ("limit[]=1", 422), ("limit", 422), ("colour=red", 422), ("=", 422),
                          ("status=sent&status=failed", 422), ("status=SENT", 422), ("channel=", 422), ("user_id=me", 422),
                          ("created_after=yesterday", 422), ("cursor=x", 400), ("cursor=" + "a" * 5000, 400),
                          ("%00=1", 400), ("a=1&" * 60, 422), ("a=1&" * 120, 400)):
        began = time.monotonic()
        answer = web.get(f"/v1/notifications?{query}")
        assert answer.status == status, (query[:40], answer)
        assert time.monotonic() - began < within(2), query[:40]


def test_thousands_of_parameters_are_refused(web):
    for count, status in ((300, 400), (1000, 400), (2000, 400), (7000, 414)):
        answer = web.get("/v1/notifications?" + "a=1&" * count)
        assert answer.status == status and answer.headers["content-type"] == "application/problem+json", answer
        assert web.get("/v1/notifications").status == 200


def test_anothers_cursor_shows_nothing_of_his(web, victim):
    for _ in range(3):
        victim.send(valid(send_at="2099-01-01T00:00:00Z"))
    cursor = victim.get("/v1/notifications?limit=1").body["next_cursor"]
    theirs = {item["id"] for item in victim.get("/v1/notifications?limit=200").body["items"]}
    seen = {item["id"] for item in web.get(f"/v1/notifications?limit=200&cursor={cursor}").body["items"]}
    assert not seen & theirs
    stream = victim.stream("/v1/events?cursor=0")
    place = next(iter(stream))["id"]
    stream.close()
    stream = web.stream("/v1/events", headers={"Last-Event-ID": place})
    own = web.send(valid(send_at="2099-01-01T00:00:00Z"))
    for event in stream:
        assert event["data"]["id"] not in theirs
        if event["data"]["id"] == own:
            break
    stream.close()
    for i in range(0, len(place), 3):
        damaged = place[:i] + ("A" if place[i] != "A" else "B") + place[i + 1:]
        stream = web.stream("/v1/events", headers={"Last-Event-ID": damaged})
        assert stream.status == 400, damaged
        stream.close()


# -- Paths

def test_tricks_with_paths_lead_nowhere(web, things):
    theirs = things["/v1/notifications"]["id"]
    for path in ("//v1/notifications", "/v1//notifications", "/v1/notifications/", "/V1/notifications", "/v1/Notifications",
                 "/v1/./notifications", "/v1/x/../notifications", "/v1/%2e%2e/v1/notifications", "/v1%2fnotifications",
                 "/v1/notifications%00", "/v1/notifications%20", "/v1/notifications;a=b", "/v1/notifications.json",
                 f"/v1/notifications/{UNKNOWN}/../{theirs}", f"/v1/notifications/{UNKNOWN}%2f..%2f{theirs}",
                 f"/v1/notifications/{theirs}%00", f"/v1/notifications/{theirs}/", "/%76%31/services/../notifications",
                 "/v1/services/..%2fnotifications", "/", "/.", "/..", "/%", "/v1/notifications/%zz"):
        answer = web.get(path)
        assert answer.status in (400, 403, 404), (path, answer)
        assert theirs.encode() not in answer.raw or theirs in path, path
    assert json.loads(web.get("/health").raw)["status"] == "ok"
