"""Every operation of the OpenAPI document, and every status that it names, asked for over HTTP and held against it.

The client is http.client of Python's library. What is not reached stands in NOT_REACHED with its reason; the last test fails
when anything else was missed, so that a new operation or status must be asked for here.
"""

import concurrent.futures
import http.client
import json
import time
import uuid

import pytest

from harness.mesh import ADMIN_SERVICE, one_of_each, smtp
from harness.waiting import until
from harness.web import Web, WebAnswer

pytest.importorskip("jsonschema", reason="jsonschema is not installed (Debian: python3-jsonschema)")

from harness.contract import Contract   # noqa: E402

EMAIL = {"channel": "email", "recipient": "c@t.test", "subject": "s", "content": "c"}
PASSWORD = "correct horse battery"
NOBODY = "0199b2c4-5d6e-7f80-8123-456789abcdef"
WRONG_KEY = NOBODY.replace("-", "") + "-" + "0" * 32
SENDS = ("notifications_create", "notifications_batch", "notifications_broadcast")

#  (what an operation's id begins with, status): why it is not asked for here
NOT_REACHED = {
    ("", 507): "a store must be full: test_full.py and test_gateway.c reach it",
    ("notifications_create", 409): "the first ask must still be running: test_gateway_several.c reaches it",
    ("notifications_batch", 409): "the first ask must still be running: test_gateway_several.c reaches it",
    ("notifications_broadcast", 409): "the first ask must still be running: test_gateway_several.c reaches it",
}


class World:
    """The mesh's bridge, what there is in it, and which statuses were reached."""

    def __init__(self, mesh):
        self.mesh, self.admin = mesh, mesh.web()
        self.contract = Contract(self.admin.get("/openapi.json").body)
        self.reached = {operation.id: set() for operation in self.contract.operations}
        self.ids = {}

    def ask(self, method, path, body=None, *, web=None, **more):
        answer = (web or self.admin).ask(method, path, body, **more)
        return self.judge(method, path, answer)

    def judge(self, method, path, answer):
        operation = self.contract.check(method, path.split("?")[0], answer)
        if operation:
            self.reached[operation.id].add(answer.status)
        return answer

    def make(self, name, path, body, key="id"):
        answer = self.ask("POST", path, body)
        assert answer.status in (201, 202), answer
        self.ids[name] = answer.body[key]
        return answer.body

    def path(self, operation, ids):
        """Its path with things that there are, or with ids that nobody has."""
        values = {"name": "kept" if ids else "none", "service_id": self.ids["kept"] if ids else NOBODY,
                  "key_id": self.ids["kept_key"] if ids else NOBODY, "id": NOBODY}
        if ids and operation.path.startswith("/v1/services/{id}"):
            values["id"] = self.ids["kept"]
        return operation.path.format(**values)

    def who(self, operation):
        """Who may ask that: signing out is for those who have signed in."""
        return self.person if operation.id == "auth_logout" else self.admin

    def other(self, key, **headers):
        return Web(f"http://{self.admin.host}:{self.admin.port}", key, headers=headers)


@pytest.fixture(scope="module")
def world(make_module_mesh, sink):
    mesh = make_module_mesh(one_of_each(bridge=1), providers={"sink": smtp(sink.port)},
                            settings={"http": {"proxies": "127.0.0.1"},
                                      "email": {"retries": 1, "retry_delays": "100ms 200ms 400ms"}})
    world = World(mesh)
    world.make("kept", "/v1/services", {"name": "kept"})
    key = world.make("kept_key", f"/v1/services/{world.ids['kept']}/keys", {"name": "all"}, "key_id")["key"]
    world.make("kept_provider", "/v1/providers", {"name": "kept", "kind": "sandbox"}, "name")
    world.kept = mesh.web(key)
    weak = world.ask("POST", f"/v1/services/{world.ids['kept']}/keys", {"scopes": ["webhooks"]}).body["key"]
    world.weak = mesh.web(weak)
    world.make("off", "/v1/services", {"name": "off"})
    off = world.ask("POST", f"/v1/services/{world.ids['off']}/keys", {}).body["key"]
    world.off_email = f"{uuid.uuid4().hex[:8]}@t.test"
    assert world.ask("POST", "/v1/users", {"email": world.off_email, "password": PASSWORD}, web=mesh.web(off)).status == 201
    assert world.ask("PATCH", f"/v1/services/{world.ids['off']}", {"is_active": False}).status == 200
    world.off = mesh.web(off)
    email = f"{uuid.uuid4().hex[:8]}@t.test"
    assert world.ask("POST", "/v1/users", {"email": email, "password": PASSWORD}, web=world.kept).status == 201
    token = world.ask("POST", "/v1/auth/login", {"email": email, "password": PASSWORD}, web=world.other(None)).body["access_token"]
    world.person = world.other(None, Authorization=f"Bearer {token}")
    return world


def operations(world, want=lambda one: True):
    return [one for one in world.contract.operations if want(one)]


def needs_key(operation):
    return bool(operation.tree["security"])


def has_json(operation):
    return operation.method in ("POST", "PUT", "PATCH")


# -- What holds for all

def test_who_says_nothing_is_401(world):
    for one in operations(world, needs_key):
        assert world.ask(one.method, world.path(one, True), web=world.other(None)).status == 401, one


def test_who_has_no_right_is_403(world):
    for one in operations(world, needs_key):
        assert world.ask(one.method, world.path(one, True), web=world.off).status == 403, one
    for one in operations(world, lambda one: needs_key(one) and one.id != "auth_logout"):
        assert world.ask(one.method, world.path(one, True), web=world.weak).status == 403, one


def test_what_is_not_there_is_404(world):
    assert world.ask("GET", "/v1/nothing").status == 404
    for one in operations(world, lambda one: 404 in one.responses):
        if one.named("path"):
            body = {"priority": 1} if one.method == "PATCH" and "providers" in one.path else {} if has_json(one) else None
            assert world.ask(one.method, world.path(one, False), body).status == 404, one
            for odd in ("no-id", "x" * 3000, "a%0Ab", "%20", "%00", "%C2%80", "%ff"):
                malformed = one.path.format(**{part["name"]: odd for part in one.named("path")})
                assert world.ask(one.method, malformed, body).status == 404, (one, odd)
        elif not has_json(one):
            assert world.ask(one.method, f"{one.path}?service_id={NOBODY}", web=world.kept).status == 404, one
        else:
            assert world.ask(one.method, one.path, {"service_id": NOBODY}, web=world.kept).status == 404, one


def test_another_method_is_405_and_options_tell_which_there_are(world):
    for path in sorted({one.path for one in world.contract.operations}):
        one = next(one for one in world.contract.operations if one.path == path)
        methods = {one.method for one in world.contract.operations if one.path == path}
        wrong = next(method for method in ("PUT", "PATCH", "DELETE") if method not in methods)
        answer = world.ask(wrong, world.path(one, True))
        assert answer.status == 405, answer
        allowed = set(answer.headers["allow"].replace(" ", "").split(","))
        assert allowed == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        options = world.ask("OPTIONS", world.path(one, True))
        assert (options.status, options.raw, set(options.headers["allow"].replace(" ", "").split(","))) == (204, b"", allowed)


def test_what_is_not_well_formed_is_400(world):
    for one in operations(world, lambda one: 400 in one.responses):
        raw = b"{" if has_json(one) else b"{}"      # Others take no body at all
        answer = world.ask(one.method, world.path(one, True), raw=raw, headers={"Content-Type": "application/json"},
                           web=world.who(one))
        assert answer.status == 400, (one, answer)
    for one in operations(world, lambda one: any(part["name"] == "cursor" for part in one.parameters)):
        assert world.ask(one.method, world.path(one, True) + "?cursor=nonsense").status == 400, one


def test_another_type_is_415(world):
    for one in operations(world, lambda one: 415 in one.responses):
        answer = world.ask(one.method, world.path(one, True), raw=b"x", headers={"Content-Type": "text/plain"}, web=world.who(one))
        assert answer.status == 415, (one, answer)


def head_only(world, one, size):
    """Says that a body of that size comes, and reads the answer to that."""
    connection = http.client.HTTPConnection(world.admin.host, world.admin.port, timeout=10)
    connection.putrequest(one.method, world.path(one, True))
    who = world.who(one)
    credentials = {"X-API-Key": who.key} if who.key else who.headers
    for name, value in {**credentials, "Content-Type": "application/json", "Content-Length": str(size)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    answer = WebAnswer(response.status, response.getheaders(), response.read())
    connection.close()
    return world.judge(one.method, world.path(one, True), answer)


def test_a_body_that_is_too_large_is_413_before_it_comes(world):
    for one in operations(world, lambda one: 413 in one.responses):
        most = (10 if one.id.startswith(SENDS) else 1) * 1024 * 1024
        assert head_only(world, one, most + 1).status == 413, one


def test_what_nobody_knows_in_a_query_is_422(world):
    for one in operations(world):
        answer = world.ask(one.method, world.path(one, True) + "?nonsense=1", {} if has_json(one) else None, web=world.who(one))
        assert answer.status == 422, (one, answer)
        assert answer.body["errors"][0]["pointer"] == "?nonsense", (one, answer)


def test_who_guesses_is_429(world):
    address = {"X-Forwarded-For": "10.9.8.7"}
    guesser = world.other(WRONG_KEY, **address)
    for _ in range(20):
        assert world.ask("GET", "/v1/notifications", web=guesser).status == 401
    right = world.other(world.admin.key, **address)     # Right ones too
    for one in operations(world, lambda one: 429 in one.responses):
        body = {"email": "nobody@t.test", "password": PASSWORD} if one.id == "auth_login" else None
        answer = world.ask(one.method, world.path(one, True), body, web=right if one.id != "auth_login" else world.other(None, **address))
        assert answer.status == 429 and int(answer.headers["retry-after"]) > 60, (one, answer)


# -- Each by what it is for

def test_notifications(world):
    shop = world.kept
    for path in ("/v1/notifications", "/notifications/send", "/notification-service/notifications", "/api/v1/notifications"):
        answer = world.ask("POST", path, EMAIL, web=shop)
        assert answer.status == 202 and answer.body["links"]["self"] == f"/v1/notifications/{answer.body['id']}"
        assert answer.body.get("notificationId") == (answer.body["id"] if "service" in path else None)
        body = {**EMAIL, "content": path, "dedupe_seconds": 600}
        first, second = (world.ask("POST", path, body, web=shop) for _ in range(2))
        assert (first.status, second.status, second.body["deduplicated"]) == (202, 200, True)
        assert first.body["id"] == second.body["id"]
        faulty = world.ask("POST", path, {"channel": "fax", "recipient": "x"}, web=shop)
        assert faulty.status == 422 and "/channel" in {one["pointer"] for one in faulty.body["errors"]}
    replayed = [world.ask("POST", "/v1/notifications", EMAIL, web=shop, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert replayed[0].body == replayed[1].body and replayed[1].headers["idempotent-replayed"] == "true"
    batch = world.ask("POST", "/v1/notifications/batch", {"notifications": [EMAIL, {"channel": "fax"}]}, web=shop)
    assert (batch.status, batch.body["accepted"], batch.body["rejected"]) == (202, 1, 1)
    assert world.ask("POST", "/v1/notifications/broadcast", {"user_ids": [NOBODY], "channel": "email", "content": "c"},
                     web=shop).status == 202
    sent = shop.wait_for(replayed[0].body["id"], "sent")["id"]
    assert world.ask("GET", f"/v1/notifications/{sent}", web=shop).status == 200
    assert world.ask("HEAD", f"/v1/notifications/{sent}", web=shop).status == 200
    assert world.ask("POST", f"/v1/notifications/{sent}/cancel", web=shop).status == 409
    later = shop.send({**EMAIL, "send_at": "2099-01-01T00:00:00Z"})
    assert world.ask("POST", f"/v1/notifications/{later}/cancel", web=shop).body["status"] == "cancelled"
    page = world.ask("GET", "/v1/notifications?limit=2&status=sent&channel=email", web=shop)
    assert page.status == 200 and len(page.body["items"]) == 2 and page.body["next_cursor"]
    assert world.ask("GET", f"/v1/notifications?limit=2&cursor={page.body['next_cursor']}", web=shop).status == 200


def test_events(world):
    shop, one = world.kept, world.kept.send(EMAIL)
    shop.wait_for(one, "sent")
    operation = world.contract.find("GET", f"/v1/notifications/{one}/events")
    schema = operation.responses[200]["content"]["text/event-stream"]["schema"]["x-event-data"]
    stream = shop.stream(f"/v1/notifications/{one}/events")
    events = list(stream)   # It ends by itself
    assert stream.status == 200 and events[-1]["event"] == "notification.sent"
    for event in events:
        world.contract.validate(schema, event["data"])
    world.reached[operation.id].add(stream.status)
    endless = shop.stream("/v1/events")
    assert endless.status == 200 and endless.headers["content-type"].startswith("text/event-stream")
    world.reached[world.contract.find("GET", "/v1/events").id].add(endless.status)
    endless.close()


def test_dead_letters(world):
    shop = world.kept
    for n in range(3):
        shop.wait_for(shop.send({**EMAIL, "recipient": f"u{n}+550@t.test"}), "failed")
    page = until(lambda: [answer for answer in [world.ask("GET", "/v1/dead-letters?limit=10&reason=rejected", web=shop)]
                          if len(answer.body["items"]) == 3], "three dead letters")[0]
    letters = [one["id"] for one in page.body["items"]]
    assert world.ask("GET", f"/v1/dead-letters/{letters[0]}", web=shop).body["attempts"]
    wrong = world.ask("POST", f"/v1/dead-letters/{letters[0]}/replay", {"recipient": "no address"}, web=shop)
    assert wrong.status == 422 and wrong.body["errors"][0]["pointer"] == "/recipient"
    assert world.ask("POST", f"/v1/dead-letters/{letters[0]}/replay", {"recipient": "good@t.test"}, web=shop).status == 202
    assert world.ask("POST", f"/v1/dead-letters/{letters[0]}/replay", web=shop).status == 409
    assert world.ask("POST", "/v1/dead-letters/replay", {"dry_run": True}, web=shop).status == 200
    assert world.ask("DELETE", f"/v1/dead-letters/{letters[1]}", web=shop).status == 204
    assert world.ask("POST", "/v1/dead-letters/replay", {"filter": {"channel": "email"}}, web=shop).status == 202


def test_services_and_keys(world):
    made = world.ask("POST", "/v1/services", {"name": "made", "limits": {"per_minute": 60}}).body["id"]
    assert world.ask("POST", "/v1/services", {"name": "made"}).status == 409
    assert world.ask("GET", "/v1/services?limit=200").status == 200
    assert world.ask("GET", f"/v1/services/{made}").body["limits"] == {"per_minute": 60}
    assert world.ask("PATCH", f"/v1/services/{made}", {"limits": None}).body["limits"] is None
    assert world.ask("PATCH", f"/v1/services/{ADMIN_SERVICE}", {"description": "x"}).status == 409
    keys = f"/v1/services/{made}/keys"
    key = world.ask("POST", keys, {"name": "k", "scopes": ["notifications:read"]}).body
    assert world.ask("GET", keys).body["items"][0].get("key") is None
    assert world.ask("POST", f"{keys}/{key['key_id']}/rotate", {"overlap_seconds": 60}).status == 201
    while (answer := world.ask("POST", keys, {})).status == 201:
        pass
    assert answer.status == 409
    assert world.ask("POST", f"{keys}/{key['key_id']}/rotate").status == 409
    assert world.ask("DELETE", f"{keys}/{key['key_id']}").status == 204
    assert world.ask("DELETE", f"/v1/services/{made}").status == 204
    assert world.ask("DELETE", f"/v1/services/{ADMIN_SERVICE}").status == 409


def test_providers(world):
    assert world.ask("POST", "/v1/providers", {"name": "made", "kind": "sandbox"}).status == 201
    assert world.ask("POST", "/v1/providers", {"name": "made", "kind": "sandbox"}).status == 409
    whole = [one["name"] for one in world.ask("GET", "/v1/providers").body["items"]]
    paged, cursor = [], ""
    while cursor is not None:
        page = world.ask("GET", "/v1/providers?limit=1" + (f"&cursor={cursor}" if cursor else "")).body
        paged += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert paged == whole and len(whole) >= 2
    assert world.ask("GET", "/v1/providers?cursor=nobody").status == 400
    assert world.ask("GET", "/v1/providers/made").body["kind"] == "sandbox"
    assert world.ask("PATCH", "/v1/providers/made", {"priority": 7}).body["priority"] == 7
    merge = {"Content-Type": "application/merge-patch+json"}
    assert world.ask("PATCH", "/v1/providers/made", raw=b'{"is_active": false}', headers=merge).status == 200
    assert world.ask("DELETE", "/v1/providers/made").status == 204


def test_people(world):
    shop, email = world.kept, f"{uuid.uuid4().hex[:8]}@t.test"
    ada = world.ask("POST", "/v1/users", {"email": email, "password": PASSWORD}, web=shop).body["id"]
    assert world.ask("POST", "/v1/users", {"email": email.upper(), "password": PASSWORD}, web=shop).status == 409
    bob = world.ask("POST", "/v1/users", {"email": "b" + email, "password": PASSWORD}, web=shop).body["id"]
    assert world.ask("PATCH", f"/v1/users/{bob}", {"email": email}, web=shop).status == 409
    assert world.ask("PATCH", f"/v1/users/{bob}", {"name": "Bob"}, web=shop).body["name"] == "Bob"
    assert world.ask("GET", "/v1/users?limit=1", web=shop).status == 200
    assert world.ask("GET", f"/v1/users/{ada}", web=shop).body["email"] == email
    nobody = world.other(None, **{"X-Forwarded-For": "10.1.1.1"})
    token = world.ask("POST", "/v1/auth/login", {"email": email, "password": PASSWORD}, web=nobody).body["access_token"]
    assert world.ask("POST", "/v1/auth/login", {"email": email, "password": PASSWORD + "x"}, web=nobody).status == 401
    assert world.ask("POST", "/v1/auth/login", {"email": email}, web=nobody).status == 422
    assert world.ask("POST", "/v1/auth/login", {"email": world.off_email, "password": PASSWORD}, web=nobody).status == 403
    person = world.other(None, Authorization=f"Bearer {token}")
    assert world.ask("GET", f"/v1/users/{ada}", web=person).status == 200
    assert world.ask("GET", f"/v1/users/{bob}", web=person).status == 404
    assert world.ask("POST", "/v1/auth/logout", web=person).status == 204
    assert world.ask("GET", f"/v1/users/{ada}", web=person).status == 401
    assert world.ask("DELETE", f"/v1/users/{bob}", web=shop).status == 204


def test_pages(world):
    away = {"X-Forwarded-For": "10.2.2.2"}
    for path in ("/health", "/health/ready", "/metrics", "/openapi.json", "/docs"):
        assert world.ask("GET", path, web=world.other(None)).status == 200
    for path in ("/openapi.json", "/docs"):
        assert world.ask("GET", path, headers={"If-None-Match": "*"}).status == 304
    assert world.ask("GET", "/metrics", web=world.other(None, **away)).status == 401
    assert world.ask("GET", "/metrics", web=world.other(world.kept.key, **away)).status == 403


# -- And when nobody is there

def test_without_a_gateway_it_is_503_with_retry_after(world):
    gateway = world.mesh["gateway-1"]
    gateway.expected_exits.add(-9)
    gateway.kill()
    asked = operations(world, lambda one: 503 in one.responses)

    def ask(one):
        web = world.other(world.admin.key, **({"X-Forwarded-For": "10.3.3.3"} if one.path == "/metrics" else {}))
        body = EMAIL if one.id.startswith("notifications_create") else {} if has_json(one) else None
        answer = web.ask(one.method, world.path(one, True), body)
        web.close()
        return answer

    time.sleep(2.5)     # Until it is known that nobody is there
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for one, answer in zip(asked, pool.map(ask, asked)):
            world.judge(one.method, world.path(one, True), answer)
            assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1, (one, answer)
    gateway.start()
    until(lambda: world.admin.get("/health/ready").status == 200, "the mesh to be ready again")


def test_every_status_of_every_operation_was_reached(world):
    missed = []
    for one in world.contract.operations:
        excused = {status for (begin, status) in NOT_REACHED if one.id.startswith(begin)}
        assert world.reached[one.id], f"{one} was never asked for"
        missed += [f"{one}: {status}" for status in sorted(set(one.responses) - world.reached[one.id] - excused)]
    assert not missed, "\n" + "\n".join(missed)
    print(json.dumps({one: sorted(statuses) for one, statuses in world.reached.items()}))
