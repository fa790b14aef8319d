"""Books: what is changed at one actor holds at all, with the owner away, promoted, restored and killed."""

import itertools
import shutil
import time

import pytest

from harness.mesh import one_of_each, smtp
from harness.waiting import until, within

SOON = 5          # Seconds within which a follower has a change; a busy machine is late
KEPT = 1024       # Changes that an owner keeps in its list

NUMBERS = itertools.count()
ROLES = one_of_each(gateway=2, user=2, email=2)


def copies(mesh, book):
    """Where each running copy of a book stands: {actor: copy}."""
    found = {}
    for actor in mesh.of_role("gateway", "user", "email"):
        if actor.running():
            for copy in actor.status()["books"]:
                if copy["book"] == book:
                    found[actor.name] = copy
    return found


def copy_of(mesh, actor, book):
    return next(copy for copy in mesh[actor].status()["books"] if copy["book"] == book)


def wait_level(mesh, book, seconds=20):
    """Until all running copies stand at the same change of the same owner; returns one of them."""
    def level():
        stands = [(copy["owner"], copy["round"], copy["number"]) for copy in copies(mesh, book).values()]
        return stands if len(set(stands)) == 1 else None
    until(level, lambda: f"all copies of {book} level: {copies(mesh, book)}", seconds)
    return next(iter(copies(mesh, book).values()))


def authenticates(mesh, key, gateway):
    """From an address of its own each time: who asks until a key is known has it wrong until then, and not for long."""
    source = f"127.1.{next(NUMBERS) % 250}.1"
    return mesh.client(key, gateway, source=source).ask("notifications.list", {"limit": 1}).status


def make_service(client, name):
    answer = client.ask("services.create", {"name": name})
    assert answer.status == 201, answer
    return answer.body["id"]


def make_key(client, service):
    answer = client.ask("keys.create", {"service_id": service})
    assert answer.status == 201, answer
    return answer.body["key"]


def describe(client, service, texts):
    """Changes a service so often, in frames of 500."""
    for at in range(0, len(texts), 500):
        ids = client.post([("services.patch", {"id": service, "description": text}, None) for text in texts[at:at + 500]])
        assert {answer.status for answer in client.collect(ids, 60).values()} == {200}


def promote(mesh, book, actor):
    """Promotes, and waits until all who run know it: a gateway that does not answers 503, as it should."""
    answer = mesh.operator(actor).ask("book.promote", {"book": book, "round": copy_of(mesh, actor, book)["round"]})
    assert answer.status == 200, answer
    until(lambda: {copy["owner"] for copy in copies(mesh, book).values()} == {actor},
          lambda: f"all know that {actor} owns {book}: {copies(mesh, book)}", SOON)
    return answer.body


@pytest.fixture
def mesh(make_mesh):
    return make_mesh(ROLES)


def test_a_service_made_at_one_gateway_works_at_the_other(mesh):
    first, second = mesh.client(gateway="gateway-1"), mesh.client(gateway="gateway-2")
    shop = make_service(first, "shop")
    key = make_key(first, shop)
    until(lambda: authenticates(mesh, key, "gateway-2") == 200, "the key at the other gateway", SOON)

    # The other way round the change goes to the owner, and whoever made it reads it at once
    other = make_service(second, "other")
    assert second.ask("services.get", {"id": other}).status == 200
    other_key = make_key(second, other)
    assert authenticates(mesh, other_key, "gateway-2") == 200
    assert authenticates(mesh, other_key, "gateway-1") == 200, "the owner had it before the answer"

    assert second.ask("services.create", {"name": "shop"}).status == 409, "names are unique across gateways"
    bad = second.ask("services.create", {"name": ""})
    assert bad.status == 422 and bad.body["errors"][0]["pointer"] == "/name", bad
    assert second.ask("services.patch", {"id": shop, "is_active": False}).status == 200
    assert authenticates(mesh, key, "gateway-2") == 403
    assert authenticates(mesh, key, "gateway-1") == 403
    assert second.ask("services.delete", {"id": other}).status == 204
    until(lambda: authenticates(mesh, other_key, "gateway-1") == 401, "the deleted service's key is refused", SOON)
    level = wait_level(mesh, "services")
    assert (level["owner"], level["round"]) == ("user-1", 1)


def test_keys_work_while_the_owner_is_away_and_changes_wait_for_it(mesh):
    first, second = mesh.client(gateway="gateway-1"), mesh.client(gateway="gateway-2")
    shop = make_service(first, "shop")
    key = make_key(first, shop)
    wait_level(mesh, "services")
    mesh["user-1"].kill()

    assert authenticates(mesh, key, "gateway-2") == 200
    started = time.monotonic()
    answer = second.ask("services.create", {"name": "late"})
    assert answer.status == 503 and "user-1" in answer.body["detail"], answer
    assert time.monotonic() - started < within(6)
    until(lambda: copy_of(mesh, "gateway-2", "services")["owner_away"], "the follower knows that the owner is away", SOON)
    started = time.monotonic()
    assert second.ask("keys.create", {"service_id": shop}).status == 503
    assert time.monotonic() - started < within(1), "what is known to be away is not waited for"
    mesh["gateway-2"].restart()
    assert authenticates(mesh, key, "gateway-2") == 200, "a follower starts alone"

    mesh["user-1"].start()
    again = mesh.client(gateway="gateway-2")
    answer = until(lambda: (a := again.ask("services.create", {"name": "late"})).status != 503 and a,
                   "changes are taken again", SOON)
    assert answer.status == 201, answer
    assert wait_level(mesh, "services")["round"] == 1


def test_another_gateway_is_promoted_and_the_old_owner_follows(mesh):
    shop = make_service(mesh.client(), "shop")
    key = make_key(mesh.client(), shop)
    wait_level(mesh, "services")
    mesh["user-1"].kill()

    stale = mesh.operator("user-2").ask("book.promote", {"book": "services", "round": 0})
    assert stale.status == 409, stale
    assert promote(mesh, "services", "user-2")["round"] == 2
    second = mesh.client(gateway="gateway-2")
    new = make_service(second, "new")
    new_key = make_key(second, new)
    assert authenticates(mesh, new_key, "gateway-2") == 200
    assert promote(mesh, "services", "user-2")["round"] == 2, "asked again it is the same"

    mesh["user-1"].start()
    until(lambda: authenticates(mesh, new_key, "gateway-1") == 200, "a follower has what the new owner made", SOON)
    assert authenticates(mesh, key, "gateway-1") == 200
    until(lambda: copy_of(mesh, "user-1", "services")["state"] == "follower", "the old owner follows", SOON)
    assert mesh.client(gateway="gateway-1").ask("services.create", {"name": "through"}).status == 201
    level = wait_level(mesh, "services")
    assert (level["owner"], level["round"]) == ("user-2", 2)
    mesh["user-1"].restart()
    assert wait_level(mesh, "services")["owner"] == "user-2"
    assert all(copy["aside"] == 0 for copy in copies(mesh, "services").values())


def test_changes_that_nobody_had_are_set_aside_and_named(mesh):
    make_service(mesh.client(), "shop")
    wait_level(mesh, "services")
    # The owner makes a change while all others are frozen and cannot have it; then it is gone
    others = [mesh[name] for name in ("user-2", "gateway-1", "gateway-2")]
    for actor in others:
        actor.freeze()
    lost = mesh.operator("user-1").ask("services.create", {"name": "lost"}).body["id"]
    mesh["user-1"].kill()
    for actor in others:
        actor.thaw()
    promote(mesh, "services", "user-2")
    kept = make_service(mesh.client(gateway="gateway-2"), "kept")

    mesh["user-1"].start()
    level = wait_level(mesh, "services")
    assert level["owner"] == "user-2"
    assert mesh.client().ask("services.get", {"id": lost}).status == 404, "it was not merged"
    assert mesh.client().ask("services.get", {"id": kept}).status == 200
    assert copy_of(mesh, "user-1", "services")["aside"] == 1
    assert copy_of(mesh, "user-2", "services")["aside"] == 0
    named = mesh["user-1"].events("book_change_aside")
    assert len(named) == 1 and f"service/{lost}" in named[0]["message"], named

    aside = mesh.operator("user-1").ask("book.aside", {"book": "services"})
    assert [(item["key"], item["owner"], item["round"]) for item in aside.body["items"]] == \
        [(f"service/{lost}", "user-1", 1)], aside
    mesh["user-1"].restart()
    assert copy_of(mesh, "user-1", "services")["aside"] == 1, "it is on disk"
    mesh.operator("user-1").ask("book.aside", {"book": "services", "drop": True})
    assert copy_of(mesh, "user-1", "services")["aside"] == 0


def test_an_owner_that_lost_its_disk_takes_the_book_back_from_a_follower(mesh):
    shop = make_service(mesh.client(), "shop")
    make_key(mesh.client(), shop)
    wait_level(mesh, "services")
    mesh["user-1"].stop()
    shutil.rmtree(mesh["user-1"].store)
    mesh["user-1"].start()
    level = wait_level(mesh, "services")
    assert (level["owner"], level["round"], level["entries"]) == ("user-1", 2, 2)
    assert mesh.client().ask("services.patch", {"id": shop, "name": "again"}).status == 200
    wait_level(mesh, "services")


def test_an_owner_that_lost_its_disk_alone_does_not_win_over_the_others(mesh):
    shop = make_service(mesh.client(), "shop")
    key = make_key(mesh.client(), shop)
    wait_level(mesh, "services")
    holders = [mesh[name] for name in ("user-2", "gateway-1", "gateway-2")]
    for actor in [mesh["user-1"], *holders]:
        actor.stop()
    shutil.rmtree(mesh["user-1"].store)
    mesh["user-1"].start()
    other = until(lambda: (a := mesh.operator("user-1").ask("services.create", {"name": "other"})).status == 201 and a,
                  "it begins the book anew: nobody is there to ask", SOON).body["id"]

    for actor in holders:
        actor.start()
    until(lambda: copy_of(mesh, "gateway-2", "services")["at_odds"] == "user-1", "it is noticed", SOON)
    assert authenticates(mesh, key, "gateway-2") == 200, "the follower keeps what it has"
    assert mesh["gateway-2"].events("book_at_odds"), "and says so"
    promote(mesh, "services", "user-2")
    until(lambda: copy_of(mesh, "user-1", "services")["owner"] == "user-2", "the operator has decided", SOON)
    wait_level(mesh, "services")
    assert mesh.operator("user-1").ask("services.get", {"id": other}).status == 404
    assert copy_of(mesh, "user-1", "services")["aside"] == 1


def test_a_follower_that_was_away_for_long_catches_up_by_list_and_by_copy(mesh):
    first = mesh.client()
    shop = make_service(first, "shop")
    wait_level(mesh, "services")

    def change(count, name):
        describe(mesh.operator("user-1"), shop, [f"{name} {n}" for n in range(count)])

    mesh["gateway-2"].stop()
    change(KEPT // 2, "list")
    mesh["gateway-2"].start()
    wait_level(mesh, "services")
    assert not mesh["gateway-2"].events("book_copied"), "the list went back so far"

    mesh["gateway-2"].stop()
    change(KEPT + 10, "copy")
    key = make_key(first, shop)
    mesh["gateway-2"].start()
    wait_level(mesh, "services")
    assert len(mesh["gateway-2"].events("book_copied")) == 1
    assert authenticates(mesh, key, "gateway-2") == 200
    shown = mesh.client(gateway="gateway-2").ask("services.get", {"id": shop}).body
    assert shown["description"] == f"copy {KEPT + 9}"


def test_a_follower_killed_while_it_catches_up_is_whole(make_mesh):
    mesh = make_mesh(one_of_each(gateway=2))
    first = mesh.client()
    shop = make_service(first, "shop")
    key = make_key(first, shop)
    wait_level(mesh, "services")
    mesh["gateway-2"].stop()
    # More entries than one page holds, and more changes than the list keeps
    owner = mesh.operator("user-1")
    ids = owner.post([("services.create", {"name": f"s{n}", "description": "d" * 900}, None) for n in range(600)])
    assert {answer.status for answer in owner.collect(ids, 120).values()} == {201}
    describe(owner, shop, [str(n) for n in range(500)])
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6):
        mesh["gateway-2"].start(wait=False)
        time.sleep(delay)
        mesh["gateway-2"].kill()
    mesh["gateway-2"].start()
    level = wait_level(mesh, "services", seconds=30)
    assert level["entries"] == 602, level
    assert authenticates(mesh, key, "gateway-2") == 200
    assert copy_of(mesh, "gateway-2", "services")["aside"] == 0


# -- Providers


def provider(port, **more):
    return {"host": "127.0.0.1", "port": port, "from": "mesh@sender.test", **more}


@pytest.fixture
def two_sinks(make_sink):
    return make_sink("one"), make_sink("two")


@pytest.fixture
def mail_mesh(make_mesh, two_sinks):
    one, two = two_sinks
    return make_mesh(ROLES, providers={"one": smtp(one.port), "two": smtp(two.port, priority=20)})


def test_a_provider_switched_off_is_used_no_more_without_a_restart(mail_mesh, two_sinks, payloads):
    mesh, (one, two) = mail_mesh, two_sinks
    client = mesh.client()

    def send(numbers):
        ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in numbers]
        return {client.wait_for(i, "sent")["attempts"][-1]["provider"] for i in ids}

    assert send(range(10)) == {"one"}
    listed = client.ask("providers.list")
    assert [item["name"] for item in listed.body["items"]] == ["one", "two"], "those of the mesh file"
    assert copy_of(mesh, "email-1", "providers")["number"] == 0, "nobody has changed the book"

    off = mesh.client(gateway="gateway-2").ask("providers.patch", {"name": "one", "is_active": False})
    assert off.status == 200 and off.body["is_active"] is False, off
    wait_level(mesh, "providers")
    assert send(range(10, 20)) == {"two"}
    assert client.ask("providers.patch", {"name": "one", "is_active": True}).status == 200
    wait_level(mesh, "providers")
    assert send(range(20, 30)) == {"one"}

    assert client.ask("providers.delete", {"name": "one"}).status == 204
    assert client.ask("providers.get", {"name": "one"}).status == 404
    wait_level(mesh, "providers")
    assert send(range(30, 40)) == {"two"}
    for actor in mesh.of_role("email"):
        actor.restart()
    assert send(range(40, 50)) == {"two"}, "the book counts, not the mesh file"


def test_a_provider_is_made_with_a_secret_that_is_never_shown(make_mesh, make_sink, payloads):
    sink = make_sink("login", user="mesh", password="correct horse")
    mesh = make_mesh(ROLES)
    client = mesh.client()
    body = {"name": "login", "kind": "smtp", "channels": ["email"], "priority": 1,
            "config": provider(sink.port, user="mesh", password="correct horse", tls="none")}
    made = client.ask("providers.create", body)
    assert made.status == 201, made
    assert made.body["secrets"] == ["password"] and "password" not in made.body["config"]
    for gateway in ("gateway-1", "gateway-2"):
        shown = until(lambda g=gateway: (a := mesh.client(gateway=g).ask("providers.get", {"name": "login"})).status == 200
                      and a, "the provider at both gateways", SOON)
        assert "correct horse" not in repr(shown.body)
    wait_level(mesh, "providers")
    record = client.wait_for(client.send(payloads.request(1, "u1@t.test")), "sent")
    assert record["attempts"][-1]["provider"] == "login"
    patched = client.ask("providers.patch", {"name": "login", "config": {"timeout_ms": 20000}})
    assert patched.status == 200 and patched.body["secrets"] == ["password"], "what a patch does not name stays"
    wait_level(mesh, "providers")
    client.wait_for(client.send(payloads.request(2, "u2@t.test")), "sent")
    for actor in mesh.actors.values():
        assert "correct horse" not in actor.log()
        actor.stop()
        for path in actor.store.iterdir():
            assert b"correct horse" not in path.read_bytes(), f"{path} holds the password in clear"


@pytest.mark.parametrize("change,pointer", [
    ({"kind": "pigeon"}, "/kind"),
    ({"config": {"port": 25}}, "/config"),
    ({"config": {"host": "a b"}}, "/config/host"),
    ({"config": {"host": "h", "port": 70000}}, "/config/port"),
    ({"config": {"host": "h", "colour": "red"}}, "/config/colour"),
    ({"config": {"host": "h", "tls": {"a": 1}}}, "/config/tls"),
    ({"config": {"host": "h", "user": "me", "password_file": "/etc/shadow"}}, "/config/password_file"),
    ({"config": {"host": "h"}, "channels": ["sms"]}, "/channels"),
    ({"config": {"host": "h"}, "services": ["nobody"]}, "/services"),
    ({"config": {"host": "h"}, "name": "No Name"}, "/name"),
])
def test_what_is_wrong_with_a_provider_is_named(smtp_mesh, change, pointer):
    client = smtp_mesh.client()
    answer = client.ask("providers.create", {"name": "p", "kind": "smtp", **change})
    assert answer.status == 422, answer
    assert [fault["pointer"] for fault in answer.body["errors"]] == [pointer], answer
    assert copy_of(smtp_mesh, "gateway-1", "providers")["number"] == 0, "nothing was changed"


def test_a_provider_of_some_tenants_sends_for_no_others(mail_mesh, payloads):
    mesh = mail_mesh
    admin = mesh.client()
    shop, other = mesh.service("shop"), mesh.service("other")
    assert admin.ask("providers.patch", {"name": "one", "services": [mesh.services["shop"]]}).status == 200
    wait_level(mesh, "providers")
    wait_level(mesh, "services")
    for key, name in ((shop, "one"), (other, "two")):
        client = mesh.client(key)
        record = client.wait_for(client.send(payloads.request(1, "u1@t.test")), "sent")
        assert record["attempts"][-1]["provider"] == name


def test_a_channel_actor_may_not_read_the_book_of_services(mesh):
    asker = mesh.asker("gateway-1", mesh.certificates["email-1"])
    body = {"book": "services", "terms": [], "number": 0}
    assert asker.ask("book.changes", body).status == 403
    assert asker.ask("book.news", body).status == 403
    assert asker.ask("book.promote", {"book": "providers", "round": 1}).status == 403
    assert asker.ask("services.create", {"name": "mine"}).status == 403
    given = asker.ask("book.changes", {**body, "book": "providers"})
    assert given.status == 200, given


def test_a_book_is_begun_by_whom_the_mesh_file_names(make_mesh):
    mesh = make_mesh(ROLES, settings={"books": {"services": "user-2"}})
    make_service(mesh.client(gateway="gateway-1"), "shop")
    level = wait_level(mesh, "services")
    assert level["owner"] == "user-2"
    assert wait_level(mesh, "providers")["owner"] == "user-1"


def test_nobody_is_owner_twice_when_two_are_promoted_at_once(make_mesh):
    mesh = make_mesh(one_of_each(user=3))
    make_service(mesh.client(), "shop")
    wait_level(mesh, "services")
    mesh["user-1"].kill()
    for name in ("user-2", "user-3"):
        mesh[name].freeze()
    # Neither hears of the other before it has taken the order
    asks = {}
    for name in ("user-2", "user-3"):
        operator = mesh.operator(name)
        asks[name] = (operator, operator.post([("book.promote", {"book": "services", "round": 1}, None)]))
    for name in ("user-2", "user-3"):
        mesh[name].thaw()
    for operator, ids in asks.values():
        assert operator.collect(ids, 10)
    mesh["user-1"].start()
    level = wait_level(mesh, "services")
    owners = [name for name, copy in copies(mesh, "services").items() if copy["state"] == "owner"]
    assert owners == [level["owner"]]
    assert mesh.client(gateway="gateway-1").ask("services.create", {"name": "after"}).status == 201


def test_orders_about_books_are_answered_in_their_words(mesh):
    assert mesh.operator("gateway-1").ask("book.aside", {"book": "nothing"}).status == 404
    assert mesh.operator("user-1").ask("book.promote", {"book": "services"}).status == 422
    assert mesh.operator("gateway-1").ask("book.promote", {"book": "services", "round": 1}).status == 409
    assert mesh.operator("email-1").ask("book.promote", {"book": "providers", "round": 1}).status == 409
