"""SIGKILL at any moment: nothing accepted is lost, and what came twice is known to have been uncertain."""

import os
import random
import time

import pytest

from harness.load import Load, drain
from harness.mesh import fast_build, one_of_each, smtp
from harness.payload import Payloads

ROUNDS = int(os.environ.get("NM_ROUNDS", "25"))
SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))
PER_SECOND = int(os.environ.get("NM_PER_SECOND", "60"))


def recipient_of(n):
    """Some are refused once, and some are answered late, so that kills fall into the window of the provider."""
    return f"u{n}+451x1@t.test" if n % 7 == 0 else f"u{n}+slow0.2@t.test" if n % 31 == 0 else f"u{n}@t.test"


@pytest.mark.long
def test_killed_actors_lose_nothing(make_mesh, make_sink, capsys):
    dice = random.Random(SEED)
    payloads = Payloads()
    sink = make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), build=fast_build(), providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"}})
    gateway = mesh["gateway-1"]
    load = Load(gateway.entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=PER_SECOND, recipient=recipient_of)
    load.start()
    victims = list(mesh.actors.values())
    kills = dict.fromkeys(mesh.actors, 0)
    began = time.monotonic()
    for _ in range(ROUNDS):
        victim = dice.choice(victims)
        time.sleep(dice.uniform(0.1, 1.2))
        victim.kill()
        kills[victim.name] += 1
        time.sleep(dice.choice([0, 0, dice.uniform(0, 1.5)]))
        victim.start()
        assert not load.failure, load.failure
    rounds_took = time.monotonic() - began
    load.finish()
    began = time.monotonic()
    records = drain(mesh, load.ledger)
    report = load.ledger.check(sink, records)
    with capsys.disabled():
        print(f"\nkill: seed {SEED}, {ROUNDS} rounds in {rounds_took:.0f} s ({kills}), drained in "
              f"{time.monotonic() - began:.1f} s: {report.line()}")
    report.assert_good()
    assert report.accepted >= ROUNDS * 10, "there was hardly any load"
    assert report.delivered == report.accepted


@pytest.mark.long
def test_all_killed_at_once_lose_nothing(make_mesh, make_sink, capsys):
    payloads = Payloads()
    sink = make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), build=fast_build(), providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"}})
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=PER_SECOND)
    load.start()
    for _ in range(5):
        time.sleep(1.0)
        for actor in mesh.actors.values():
            actor.kill()
        mesh.start()
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    with capsys.disabled():
        print(f"\nkill all: 5 rounds: {report.line()}")
    report.assert_good()
