"""Notifications that name users: they go where the user is reached, and wait while no user actor says where."""

import datetime
import time

import pytest

from harness.certs import now, time_text
from harness.mesh import maildir, one_of_each
from harness.waiting import until

COUNT = 60


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    return make_module_mesh(one_of_each(router=2), providers={"maildir": maildir()})


@pytest.fixture(scope="module")
def shop(mesh):
    return mesh.client(mesh.service("shop"))


def make_user(client, **fields):
    answer = client.ask("users.create", fields)
    assert answer.status == 201, answer
    return answer.body["id"]


def to_user(user, subject, **more):
    return {"channel": "email", "user_id": user, "subject": subject, "content": f"this is {subject}", **more}


def subjects(mesh):
    """Who got what: (address, subject) of each file of the maildir."""
    found = []
    for path in (mesh.folder / "maildir" / "new").iterdir():
        lines = path.read_text(encoding="utf-8").replace("\r\n", "\n").split("\n\n")[0].splitlines()
        heads = dict(line.split(": ", 1) for line in lines if ": " in line)
        found.append((heads["To"], heads["Subject"]))
    return found


def unreached(mesh):
    return sum(mesh[name].status()["unreached"] for name in ("router-1", "router-2"))


def test_it_goes_to_the_address_that_the_user_has_now(mesh, shop):
    user = make_user(shop, email="ada@old.test", phone="+491701234567")
    first = shop.send(to_user(user, "first"))
    record = shop.wait_for(first, "sent")
    assert record["user_id"] == user and record["recipient"] is None
    assert shop.ask("users.patch", {"id": user, "email": "ada@new.test"}).status == 200
    second = shop.send(to_user(user, "second"))
    shop.wait_for(second, "sent")
    got = [entry for entry in subjects(mesh) if entry[1] in ("first", "second")]
    assert sorted(got) == [("ada@new.test", "second"), ("ada@old.test", "first")]


def test_who_is_not_known_or_has_no_address_gets_nothing_and_it_is_a_dead_letter(mesh, shop):
    other = mesh.client(mesh.service("other"))
    foreign = make_user(other, email="carol@other.test")
    mute = make_user(shop, phone="+4366012345")
    gone = make_user(shop, email="gone@t.test")
    assert shop.ask("users.delete", {"id": gone}).status == 204
    for user in (foreign, mute, gone):
        one = shop.send(to_user(user, "never"))
        record = shop.wait_for(one, "failed")
        assert record["attempts"] == []
        letters = shop.ask("dead_letters.list", {"reason": "no_recipient"}).body["items"]
        assert one in {letter["notification_id"] for letter in letters}
    assert "never" not in {subject for _, subject in subjects(mesh)}


def test_nothing_is_lost_while_the_user_actor_is_away(mesh, shop, capsys):
    users = {n: make_user(shop, email=f"u{n}@t.test") for n in range(COUNT)}
    mesh["user-1"].stop()
    soon = time_text(now() + datetime.timedelta(seconds=3))
    answers = shop.collect(shop.submit([to_user(user, f"waits {n}") for n, user in users.items()])).values()
    assert {answer.status for answer in answers} == {202}
    expiring = shop.send(to_user(users[0], "expires", expires_at=soon))
    cancelled = shop.send(to_user(users[1], "is cancelled"))
    by_address = shop.send({"channel": "email", "recipient": "direct@t.test", "subject": "direct", "content": "now"})
    shop.wait_for(by_address, "sent")
    until(lambda: unreached(mesh) == COUNT + 2, "all of it to wait at the routers")
    assert shop.ask("notifications.cancel", {"id": cancelled}).status == 200
    shop.wait_for(expiring, "expired")
    for name in ("router-1", "router-2"):
        mesh[name].kill()
        mesh[name].start()
    until(lambda: unreached(mesh) == COUNT, "what waits to be there after a restart")

    began = time.monotonic()
    mesh["user-1"].start()
    for answer in answers:
        shop.wait_for(answer.body["id"], "sent", seconds=60)
    with capsys.disabled():
        print(f"\n{COUNT} notifications were sent {time.monotonic() - began:.1f} s after the user actor was started")
    got = [entry for entry in subjects(mesh) if entry[1].startswith("waits ")]
    assert sorted(got) == sorted((f"u{n}@t.test", f"waits {n}") for n in users), "each once, to whom it is for"
    assert not {"expires", "is cancelled"} & {subject for _, subject in subjects(mesh)}
    assert shop.get(cancelled)["status"] == "cancelled" and unreached(mesh) == 0


def test_a_router_that_drains_leaves_when_it_knows_where_its_users_are(mesh, shop):
    """It asks on while it drains; what it held is sent, and no other router has it as well."""
    user = make_user(shop, email="last@t.test")
    mesh["router-2"].stop()
    mesh["user-1"].freeze()
    sent = [shop.send(to_user(user, f"drained {n}")) for n in range(10)]
    until(lambda: mesh["router-1"].status()["unreached"] == 10, "all of it to wait at router-1")
    mesh["router-2"].start()
    mesh.operator("router-1").ask("drain")
    time.sleep(0.5)
    assert mesh["router-1"].running(), "it has not given anything up"
    mesh["user-1"].thaw()
    for one in sent:
        shop.wait_for(one, "sent", seconds=60)
    assert mesh["router-1"].wait_end(30) == 0
    got = [subject for address, subject in subjects(mesh) if address == "last@t.test"]
    assert sorted(got) == sorted(f"drained {n}" for n in range(10))
