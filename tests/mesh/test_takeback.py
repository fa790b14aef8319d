"""Mail goes to another actor of the role when one does not claim it, and is never handled by both."""

import contextlib
import os
import random
import time

import pytest

from harness.load import Load, drain
from harness.mesh import fast_build, one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until

ROUNDS = int(os.environ.get("NM_ROUNDS", "12"))
SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))
LEASE = 1.0
CREDIT = 1024
QUICK = {"mesh": {"lease": "1s"}, "email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"}}


def metric(actor, name):
    return sum(entry["count"] for entry in actor.status()["metrics"] if entry["name"] == name)


def taken_back(actors):
    return sum(metric(actor, "nmesh_mail_taken_back_total") for actor in actors)


def link(actor, peer):
    return next(entry for entry in actor.status()["links"] if entry["peer"] == peer)


def start_load(mesh, payloads, per_second=100):
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=per_second)
    load.start()
    return load


def freeze_with_mail(actor, senders):
    """Stops it so that mail is taken back from it. On a busy machine it may just then have claimed all that it was offered,
    and get no more: then it goes on, and is stopped again."""
    for _ in range(5):
        actor.freeze()
        with contextlib.suppress(AssertionError):
            return until(lambda: taken_back(senders), f"mail to be taken back from {actor.name}", LEASE + 4)
        actor.thaw()
        time.sleep(0.3)
    raise AssertionError(f"nothing was ever taken back from {actor.name}")


@pytest.fixture
def world(make_mesh, make_sink):
    """Two routers, two e-mail actors, and load."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), providers={"sink": smtp(sink.port)}, settings=QUICK)
    return mesh, sink, start_load(mesh, payloads)


@pytest.mark.parametrize("frozen, senders", [("email-1", ("router-1", "router-2")), ("router-1", ("gateway-1",))])
def test_mail_of_a_frozen_actor_is_taken_back_and_handled_once(world, capsys, frozen, senders):
    """It is stopped with mail that it was offered; that goes to the other one. When it goes on it claims in vain."""
    mesh, sink, load = world
    senders = [mesh[name] for name in senders]
    time.sleep(1.0)
    freeze_with_mail(mesh[frozen], senders)
    try:
        held = max(link(sender, frozen)["open"] for sender in senders)
        assert held <= CREDIT
        time.sleep(1.0)
    finally:
        mesh[frozen].thaw()
    until(lambda: all(link(sender, frozen)["state"] == "up" for sender in senders), f"{frozen} to be up again")
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    with capsys.disabled():
        print(f"\ntake-back from {frozen}: {taken_back(senders)} mails, at most {held} with it: {report.line()}")
    report.assert_good()
    assert report.duplicates == 0, "nothing that was offered may be handled by both"
    until(lambda: not any(link(sender, frozen)["open"] for sender in senders), "the voids to be receipted")


def test_mail_of_an_actor_that_is_gone_is_handled_while_it_is_away(world):
    """What was accepted after the kill is final before the dead one comes back; what it had claimed waits for it."""
    mesh, sink, load = world
    time.sleep(0.5)
    mesh["email-1"].kill()
    killed = len(load.ledger.accepted)
    until(lambda: len(load.ledger.accepted) > killed + 200, "more to be accepted")
    load.finish()
    after = {notification for notification, _ in list(load.ledger.accepted.values())[killed + 20:]}
    until(lambda: all(answer.body["status"] == "sent" for answer in mesh.get_many(after).values()),
          "what came later to be sent by the other", 20)
    mesh["email-1"].start()
    load.ledger.check(sink, drain(mesh, load.ledger)).assert_good()


@pytest.mark.long
def test_frozen_and_killed_at_random_lose_nothing_and_share_nothing(make_mesh, make_sink, capsys):
    """Receivers are stopped for longer and shorter than the lease, both sides are killed meanwhile."""
    dice = random.Random(SEED)
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), build=fast_build(), providers={"sink": smtp(sink.port)},
                     settings=QUICK)
    load = start_load(mesh, payloads)
    for _ in range(ROUNDS):
        frozen = mesh[dice.choice(["email-1", "email-2", "router-1", "router-2"])]
        frozen.freeze()
        time.sleep(dice.uniform(0.1, 4.0))
        victim = mesh[dice.choice(["gateway-1", "router-1", "router-2", "email-1", "email-2"])]
        if dice.random() < 0.5:
            victim.kill()
            victim.start(wait=False)
        if frozen.running():
            frozen.thaw()
        time.sleep(dice.uniform(0.1, 1.0))
        victim.wait_ready()
        assert not load.failure, load.failure
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    total = taken_back(mesh.of_role("gateway", "router"))
    with capsys.disabled():
        print(f"\ntake-back: seed {SEED}, {ROUNDS} rounds, {total} mails since the last starts: {report.line()}")
    report.assert_good()
