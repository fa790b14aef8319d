"""SIGSTOP and SIGCONT: a frozen actor holds up what it has and nothing else, and keeps no more than its credit."""

import os
import random
import time

import pytest

from harness.load import Load, drain
from harness.mesh import fast_build, one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until

ROUNDS = int(os.environ.get("NM_STOP_ROUNDS", "15"))
SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))
CREDIT = 1024  # NM_CREDIT_COUNT of wire/limits.h


def make(make_mesh, make_sink, **load):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), build=fast_build(), providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"}})
    return mesh, sink, Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key,
                            payloads, **load)


@pytest.mark.long
def test_frozen_actors_lose_nothing(make_mesh, make_sink, capsys):
    dice = random.Random(SEED)
    mesh, sink, load = make(make_mesh, make_sink, per_second=60)
    load.start()
    for _ in range(ROUNDS):
        victim = dice.choice(list(mesh.actors.values()))
        time.sleep(dice.uniform(0.1, 0.8))
        victim.freeze()
        time.sleep(dice.choice([0.3, 1.0, 2.5]))
        victim.thaw()
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    with capsys.disabled():
        print(f"\nstop: seed {SEED}, {ROUNDS} rounds: {report.line()}")
    report.assert_good()
    assert report.duplicates == 0, "nothing died, so nothing may come twice"


@pytest.mark.long
def test_a_frozen_router_keeps_no_more_than_its_credit(make_mesh, make_sink):
    """More than two credits' worth goes by while one of two routers is frozen: the other does the rest."""
    mesh, sink, load = make(make_mesh, make_sink, per_second=1000)
    frozen = mesh["router-1"]

    def link():
        return next(link for link in mesh["gateway-1"].status()["links"] if link["peer"] == "router-1")
    until(lambda: link()["state"] == "up", "the link to be up")
    frozen.freeze()
    load.start()
    until(lambda: load.n >= 3000 or load.failure, "3,000 requests", 30)
    load.finish()
    until(lambda: link()["state"] in ("quiet", "gone"), lambda: f"the gateway to notice: {link()}")
    held = link()["open"]
    assert 0 < held <= CREDIT
    expected = len(load.ledger.accepted) - held
    until(lambda: len(sink.got()) >= expected, lambda: f"{len(sink.got())} of {expected} to be delivered", 90)
    frozen.thaw()
    load.ledger.check(sink, drain(mesh, load.ledger)).assert_good()


def test_a_quiet_actor_is_noticed_and_forgiven(make_mesh, make_sink):
    mesh, _, _ = make(make_mesh, make_sink)

    def state():
        return next(link["state"] for link in mesh["router-1"].status()["links"] if link["peer"] == "email-1")
    until(lambda: state() == "up", "the link to be up")
    mesh["email-1"].freeze()
    until(lambda: state() in ("quiet", "gone"), "the frozen one to be called quiet", 6)
    mesh["email-1"].thaw()
    until(lambda: state() == "up", "the link to be up again", 6)
