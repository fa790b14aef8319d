"""A mesh on hosts of its own: one more joins under load, each is cut off in turn and comes back, one goes for good.

    NM_NET_COUNT=100000 NM_NET_CUT=20 NM_NET_RATE=250 /usr/bin/python3 -m pytest -s -c tests/pytest.ini --rootdir tests \\
        tests/ledger/test_network.py

is the whole of it, about eight minutes; what runs without these is the same with less.
"""

import os
import random
import time

import pytest

from harness.history import read
from harness.hosts import Hosts
from harness.mesh import fast_build
from harness.waiting import within

from chaos.field import Field

COUNT = int(os.environ.get("NM_NET_COUNT", "3000"))
CUT = float(os.environ.get("NM_NET_CUT", "4"))
RATE = int(os.environ.get("NM_NET_RATE", "120"))
SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))
DETECTED_SECONDS, DRAINED_SECONDS = 2.0, 10.0

PLACES = {"a": ["gateway-1", "user-1", "router-1", "email-1", "deadletter-1"], "b": ["gateway-2", "router-2", "email-2"],
          "c": ["router-3", "email-3", "email-4"], "d": ["router-4", "email-5"]}
ROLES = {"gateway": 2, "user": 1, "router": 4, "email": 5, "deadletter": 1}

pytestmark = [pytest.mark.long,
              pytest.mark.skipif(bool(Hosts.missing()), reason=f"SKIPPED FOR WANT OF RIGHTS OR TOOLS: {Hosts.missing()}")]


def place(name):
    return next(host for host, names in PLACES.items() if name in names)


def watchers(field, host):
    """One of each other host, of those that write to somebody on this one."""
    return [next(name for name in names if name.startswith(("gateway", "router")))
            for other, names in PLACES.items() if other != host and not field.later & set(names)]


def detect(field, host, began):
    """How long after the cut until every watcher calls each of its peers there quiet, at most. An answer tells of the
    moment at which it was asked for, or later."""
    there, todo = set(PLACES[host]), {name: {} for name in watchers(field, host)}
    while todo and time.monotonic() < began + DETECTED_SECONDS + 3:
        field.supervise()
        for name in list(todo):
            asked, links = time.monotonic(), field.links(name) or {}
            todo[name] = {peer: links[peer] for peer in links if peer in there}
            if todo[name] and set(todo[name].values()) <= {"quiet", "gone"}:
                del todo[name]
                noticed = asked - began
        time.sleep(0.005)
    assert not todo, f"{todo} did not notice that {host} was cut off"
    return noticed


def cut(field, host):
    """Off for CUT seconds; how long that took to be noticed, and when it was healed."""
    field.history.write(what="fault", id=f"cut-{host}", row=27, name="cut", disturbs=True)
    began = time.monotonic()
    field.hosts[host].cut()
    detected = detect(field, host, began)
    field.sleep(max(0.0, CUT - (time.monotonic() - began)))
    field.hosts[host].heal()
    healed = time.time()
    field.sleep(DRAINED_SECONDS if CUT > 10 else CUT)
    field.history.write(what="healed", id=f"cut-{host}")
    return detected, healed


def drained_after(field, healed):
    """How long after that moment the last of what had been accepted before it first reached the sink."""
    accepted = {line["n"] for line in read(field.run.load) if line["what"] == "ok" and line["t"] <= healed}
    first = {}
    for line in read(field.run.sink):
        if line["what"] == "got":
            first.setdefault(field.run.payloads.read(line)[0], line["t"])
    late = [first[n] - healed for n in accepted if first.get(n, 0) > healed]
    return max(late, default=0.0), len(late)


def lose_for_good(field, host):
    """The host and its disks burn; an operator says so, and its work is done by others."""
    names = PLACES[host]
    field.history.write(what="fault", id="burnt", row=41, name="burnt", disturbs=True)
    field.leave(*names)
    field.mesh.write_authority()
    for name in names:
        field.mesh.nctl("forget", "--yes", name)
    field.sleep(3)
    field.history.write(what="healed", id="burnt")


def test_hosts_come_are_cut_off_and_go_and_nothing_is_lost(capsys):
    with Field(None, ROLES, seed=SEED, build=fast_build(), place=place, hosts=tuple(PLACES), per_second=RATE, limit=COUNT,
               later=PLACES["d"]) as field:
        began = time.monotonic()
        field.start_load()
        field.sleep(2)
        field.join(*PLACES["d"])
        cuts = {host: cut(field, host) for host in "abcd"[:4 if CUT > 10 else 3]}
        lose_for_good(field, "c")
        while field.observers["load"].poll() is None and field.accepted() < COUNT * 0.999 \
                and time.monotonic() < began + 3 * COUNT / RATE + 60:
            field.sleep(1)
        line = field.finish()
        late = {host: drained_after(field, healed) for host, (_, healed) in cuts.items()}
        with capsys.disabled():
            print(f"\nnetwork: seed {SEED}, {COUNT} at {RATE}/s, each host cut off for {CUT:g} s: {line}")
            for host, (detected, _) in cuts.items():
                print(f"  {host}: noticed after {detected:.2f} s; the last of {late[host][1]} that were held up came "
                      f"{late[host][0]:.1f} s after it was healed")
        assert not field.faults, "\n".join(field.faults[:20])
        assert field.figures["accepted"] == field.figures["asked"] == COUNT
        assert field.figures["lost"] == 0 and field.figures["unexplained"] == 0
        assert max(detected for detected, _ in cuts.values()) < within(DETECTED_SECONDS)
        assert max(seconds for seconds, _ in late.values()) < within(DRAINED_SECONDS)
