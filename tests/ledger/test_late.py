"""What a process wrote that is over may arrive long after its successor has been met: TCP goes on sending for the dead."""

import time

import pytest

from harness.hosts import Hosts
from harness.mesh import fast_build
from harness.waiting import until

from chaos.field import Field

ROLES = {"gateway": 1, "user": 1, "router": 1, "email": 1, "deadletter": 1}
PLACES = {"gateway-1": "a", "user-1": "a", "router-1": "a", "deadletter-1": "a", "email-1": "b"}
FIRST_RETRY_SECONDS = 7     # Of what was sent as the cut began: TCP doubles its pauses from 0.2 s, so at 3.0, 6.2 s ...

pytestmark = [pytest.mark.long,
              pytest.mark.skipif(bool(Hosts.missing()), reason=f"SKIPPED FOR WANT OF RIGHTS OR TOOLS: {Hosts.missing()}")]


def let_it_greet_in_vain(field, actor):
    """A new process whose greetings arrive and are never answered: what others send to its mailbox is dropped."""
    port = actor.entry["mailbox"].rpartition(":")[2]
    actor.host.filter({"input": [f"tcp dport {port} drop"]})
    actor.start()
    until(lambda: "strange" in (field.links(actor.name) or {}).values(), "it to have met nobody")
    time.sleep(1)


def test_a_late_greeting_of_the_dead_is_no_alarm(capsys):
    with Field(None, ROLES, seed=1, build=fast_build(), place=PLACES.get, hosts=("a", "b"), per_second=100) as field:
        field.start_load()
        field.sleep(1)
        victim = field.mesh["email-1"]
        victim.kill()
        field.history.write(what="fault", id="late", row=28, name="late", disturbs=True)
        let_it_greet_in_vain(field, victim)
        cut = time.monotonic()
        victim.host.cut()
        time.sleep(3.5)         # More greetings, which stay with the kernel
        victim.kill()
        victim.host.heal()
        victim.start()
        until(lambda: field.links("router-1").get("email-1") == "up", "the new process to be met")
        seen = set()
        while time.monotonic() < cut + FIRST_RETRY_SECONDS:
            seen.add(field.links("router-1").get("email-1"))
            time.sleep(0.1)
        field.history.write(what="healed", id="late")
        with capsys.disabled():
            print(f"\nlate: router-1 called email-1 {seen}")
        alarms = field.mesh["router-1"].events("peer_rolled_back")
        assert seen == {"up"} and not alarms, f"{seen}, {len(alarms)} alarms"
        field.finish()
        assert not field.faults, "\n".join(field.faults[:20])
