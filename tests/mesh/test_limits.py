"""Limits, duplicates and defaults of services, with two gateways: together they let no more through than one would."""

import itertools
import time

import pytest

from harness.mesh import maildir, one_of_each
from harness.waiting import until

NUMBERS = itertools.count(1)
GATEWAYS = ("gateway-1", "gateway-2")


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    mesh = make_module_mesh(one_of_each(gateway=2, bridge=1), providers={"maildir": maildir()})
    for name in GATEWAYS:
        client = mesh.client(gateway=name)
        until(lambda: all(door["up"] for door in client.ask("doors").body["doors"]), f"{name} to know the other")
    return mesh


class Tenant:
    """A service with these settings, and a client of it at each gateway."""

    def __init__(self, mesh, **settings):
        name = f"tenant-{next(NUMBERS)}"
        self.mesh, self.admin = mesh, mesh.client()
        self.key = mesh.service(name)
        self.id = mesh.services[name]
        self.patch(**settings)
        self.clients = [mesh.client(self.key, name) for name in GATEWAYS]

    def patch(self, **settings):
        answer = self.admin.ask("services.patch", {"id": self.id, **settings})
        assert answer.status == 200, answer
        for name in GATEWAYS:
            reader = self.mesh.client(gateway=name)
            until(lambda: all(reader.ask("services.get", {"id": self.id}).body.get(field) == answer.body[field]
                              for field in settings), f"{name} to know the service")

    def alternate(self, count, *, recipient=None, **more):
        """So many creates, at the gateways in turn; their answers."""
        return [self.clients[n % 2].create({**request(recipient), **more}) for n in range(count)]


def request(recipient=None):
    n = next(NUMBERS)
    return {"channel": "email", "recipient": recipient or f"u{n}@limits.test", "content": f"content {n}"}


def statuses(answers):
    return [answer.status for answer in answers]


def test_two_gateways_let_the_whole_limit_through_and_no_more(mesh):
    tenant = Tenant(mesh, limits={"per_day": 11})
    assert statuses(tenant.alternate(14)) == [202] * 11 + [429] * 3

    tenant = Tenant(mesh, limits={"per_day": 11})
    first, second = tenant.clients
    assert statuses(first.create(request()) for _ in range(11)) == [202] * 11, "all of it at one door"
    refused = second.create(request())
    assert refused.status == 429 and 0 < int(refused.headers["retry-after"]) <= 86400
    assert refused.headers["ratelimit-policy"] == '"day";q=11;w=86400'
    assert refused.headers["ratelimit"].startswith('"day";r=0;t=')
    assert refused.body["violated-policies"] == ["day"]


def test_many_at_once_do_not_get_more(mesh):
    tenant = Tenant(mesh, limits={"per_day": 60})
    asked = [client.post([("notifications.create", request(), None) for _ in range(50)]) for client in tenant.clients]
    answers = [answer for client, ids in zip(tenant.clients, asked) for answer in client.collect(ids).values()]
    assert len(answers) == 100 and set(statuses(answers)) <= {202, 429}
    taken = statuses(answers).count(202)
    assert taken <= 60
    time.sleep(1.1)     # Who had nothing to lend is asked again
    rest = statuses(tenant.alternate(62 - taken))
    assert rest == [202] * (60 - taken) + [429] * 2, f"{taken} at once, then {rest}"


def test_tokens_come_back_over_http_as_the_answer_says(mesh):
    tenant = Tenant(mesh, limits={"per_minute": 60, "burst": 4})
    web = mesh.web(tenant.key)
    answers = [web.post("/v1/notifications", request()) for _ in range(4)]
    assert statuses(answers) == [202] * 4
    assert answers[0].headers["ratelimit-policy"] == '"minute";q=60;w=60'
    until(lambda: (last := web.post("/v1/notifications", request())).status == 429 and last, "a refusal")
    refused = web.post("/v1/notifications", request())
    assert refused.status == 429 and refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] in ("1", "2")
    time.sleep(int(refused.headers["retry-after"]) + 0.1)
    assert web.post("/v1/notifications", request()).status == 202


def test_a_recipient_gets_no_more_over_two_gateways(mesh):
    tenant = Tenant(mesh, recipient_limits={"per_day": 3})
    for n in range(4):
        spellings = itertools.cycle([f"r{n}@limits.test", f"R{n}@Limits.test"])
        answers = [tenant.clients[i // 2 % 2].create(request(next(spellings))) for i in range(6)]
        assert statuses(answers) == [202] * 3 + [429] * 3
        assert answers[5].headers["ratelimit"].startswith('"recipient";r=0;t=')


def test_a_duplicate_is_found_at_whichever_gateway(mesh):
    tenant = Tenant(mesh)
    for n in range(6):
        body = {**request(), "dedupe_seconds": 600}
        first, again = tenant.clients[0].create(body), tenant.clients[1].create({**body, "metadata": {"try": 2}})
        assert (first.status, again.status) == (202, 200), f"{n}: {first} {again}"
        assert again.body["id"] == first.body["id"] and again.body["deduplicated"] is True
        keyed = [tenant.clients[i % 2].create(body, key=f"key-{n}") for i in range(3)]
        assert [answer.body["id"] for answer in keyed] == [first.body["id"]] * 3
        assert [answer.headers.get("idempotent-replayed") for answer in keyed] == [None, "true", "true"]
        batch = tenant.clients[0].ask("notifications.batch", {"notifications": [body, request(), body]})
        assert [item["id"] for item in batch.body["items"]][::2] == [first.body["id"]] * 2


def test_a_cancelled_one_is_no_duplicate(mesh):
    tenant = Tenant(mesh)
    body = {**request(), "dedupe_seconds": 600, "send_at": "2999-01-01T00:00:00Z"}
    first = tenant.clients[0].create(body)
    assert tenant.clients[1].create(body).body["status"] == "scheduled"
    assert tenant.clients[1].ask("notifications.cancel", {"id": first.body["id"]}).status == 200
    second = tenant.clients[1].create(body)
    assert second.status == 202 and second.body["id"] != first.body["id"]


def test_defaults_go_with_what_is_accepted(mesh):
    tenant = Tenant(mesh, defaults={"channel": "email", "priority": "high", "expires_in_seconds": 3600,
                                    "from_name": "Shop"})
    web = mesh.web(tenant.key)
    one = web.send({"recipient": "d@limits.test", "content": "x", "send_at": "2998-12-31T23:00:00Z"})
    tenant.patch(defaults={"priority": "low"})
    record = web.get(f"/v1/notifications/{one}").body
    assert (record["channel"], record["priority"]) == ("email", "high")
    assert record["expires_at"] == "2999-01-01T00:00:00.000Z"
    faulty = mesh.web().patch(f"/v1/services/{tenant.id}", {"defaults": {"priority": "urgent"}, "limits": {"burst": 3}})
    assert faulty.status == 422
    assert {error["pointer"] for error in faulty.body["errors"]} == {"/defaults/priority", "/limits/burst"}


def test_an_operator_sets_limits_one_by_one(mesh):
    tenant = Tenant(mesh, limits={"per_minute": 9}, recipient_limits={"per_hour": 2})
    mesh.env["NMESH_API_KEY"] = mesh.admin_key
    mesh.nctl("service", "patch", tenant.id, "--burst", 3, "--per-day", 5, "--recipient-per-day", 4)
    service = tenant.admin.ask("services.get", {"id": tenant.id}).body
    assert service["limits"] == {"per_minute": 9, "burst": 3, "per_day": 5}
    assert service["recipient_limits"] == {"per_hour": 2, "per_day": 4}


def test_a_broadcast_is_one_answer_and_a_notification_for_each(mesh):
    tenant = Tenant(mesh, limits={"per_day": 4})
    web = mesh.web(tenant.key)
    users = [f"018f2a3b-4c5d-7e6f-8a9b-{n:012x}" for n in range(4)]
    body = {"user_ids": [*users, users[0], "nobody"], "channel": "email", "subject": "News", "content": "to all"}
    answer = web.post("/v1/notifications/broadcast", body, headers={"Idempotency-Key": "news"})
    assert answer.status == 202 and answer.body["accepted"] == 4, answer
    assert [item["user_id"] for item in answer.body["items"]] == [*users, "nobody"]
    assert answer.body["items"][4]["status"] == 422
    again = web.post("/v1/notifications/broadcast", body, headers={"Idempotency-Key": "news"})
    assert again.body == answer.body and again.headers["idempotent-replayed"] == "true"
    record = web.get(f"/v1/notifications/{answer.body['items'][2]['id']}").body
    assert record["user_id"] == users[2]
    assert web.post("/v1/notifications/broadcast", body).status == 429


def test_who_guesses_at_two_doors_has_the_tries_of_one(mesh):
    key, tries = mesh.service(f"tenant-{next(NUMBERS)}"), 0

    def guess(name):
        """Each with a key pair of its own, which costs nothing: it is the address that counts."""
        guesser = mesh.client(f"{key[:33]}{'0' * 32}", name, source="127.0.0.9")
        return guesser.ask("doors").status

    def locked_out():
        nonlocal tries
        answers = [guess(name) for name in GATEWAYS]
        assert set(answers) <= {401, 429}
        tries += answers.count(401)
        return answers == [429, 429]

    until(locked_out, lambda: f"both to lock the guesser out; {tries} wrong ones so far")
    assert 20 <= tries < 40, "each by itself would let 20 pass"
    for name in GATEWAYS:
        refused = mesh.client(key, name, source="127.0.0.9").ask("doors")
        assert refused.status == 429 and 7000 < int(refused.headers["retry-after"]) <= 7200, refused
        until(lambda: mesh.client(key, name).ask("doors").status == 200, f"{name} to let the tenant in from elsewhere")


def test_a_restart_keeps_what_was_used(mesh):
    """Last, because it kills the gateways."""
    tenant = Tenant(mesh, limits={"per_minute": 1, "burst": 6, "per_day": 20}, recipient_limits={"per_day": 2})
    assert statuses(tenant.alternate(2, recipient="k@limits.test")) == [202, 202]
    assert statuses(tenant.alternate(2)) == [202, 202]
    for name in GATEWAYS:
        mesh[name].kill()
    for name in GATEWAYS:
        mesh[name].start()
    for client in tenant.clients:
        client.reopen()
    until(lambda: all(door["up"] for client in tenant.clients for door in client.ask("doors").body["doors"]), "doors")
    assert statuses(tenant.alternate(1, recipient="k@limits.test")) == [429]
    answers = statuses(tenant.alternate(4))
    assert answers.count(202) <= 3, f"two of six were left, and one a minute comes back: {answers}"
    assert 429 in answers
