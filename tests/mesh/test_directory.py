"""Who is on the mesh: newcomers, loss of all seeds, what the authority states."""

import re
import time

import pytest

from harness.mesh import one_of_each, smtp
from harness.waiting import until

QUICK = {"directory": {"beat": "500ms", "expiry": "2s"}}


def members(actor):
    """What an actor knows of the others, by name."""
    answer = actor.mesh.operator(actor.name).ask("directory.list", seconds=5)
    assert answer.status == 200, answer
    return {member["name"]: member for member in answer.body["members"]}


def links(actor):
    return {link["peer"]: link["state"] for link in actor.status()["links"]}


def await_linked(actor, peer, seconds=20):
    until(lambda: links(actor).get(peer) == "up", f"{actor.name} linked to {peer}", seconds)


def deliver(mesh, payloads, recipient, count=1):
    client = mesh.client()
    for number in range(count):
        client.wait_for(client.send(payloads.request(number, recipient)), "sent")


@pytest.fixture
def mesh(make_mesh, sink):
    return make_mesh(one_of_each(router=2), providers={"sink": smtp(sink.port)}, settings=QUICK,
                     seeds=("gateway-1", "router-1", "router-2"))


def test_everybody_hears_everybody(mesh):
    for actor in mesh.actors.values():
        found = until(lambda a=actor: (m := members(a)) and all(one["life"] == "alive" for one in m.values()) and m,
                      f"{actor.name} hears all", 10)
        assert set(found) == set(mesh.actors)
        assert all(found[name]["public_key"] == mesh.certificates[name].public.decode() for name in found)
    assert mesh["email-1"].status()["directory"]["alive"] == len(mesh.actors)


def test_a_frozen_actor_is_gone_and_comes_back(mesh):
    gateway = mesh["gateway-1"]
    until(lambda: members(gateway)["email-1"]["life"] == "alive", "it is heard")
    mesh["email-1"].freeze()
    until(lambda: members(gateway)["email-1"]["life"] == "gone", "it is gone", 10)
    mesh["email-1"].thaw()
    until(lambda: members(gateway)["email-1"]["life"] == "alive", "it is back", 10)


def test_a_newcomer_gets_in_by_any_one_seed_and_works(mesh, payloads, sink):
    """Two of three seeds are away, and so are the only e-mail actor that the roster has."""
    for name in ("router-1", "email-1"):
        mesh[name].stop()
    mesh.seeds -= {"gateway-1"}  # The newcomer has the certificates of router-1, which is away, and router-2
    newcomer = mesh.newcomer("email-7", "email").start()
    await_linked(newcomer, "router-2")
    newcomer.wait_log(r"router-2 has let this actor in")
    await_linked(mesh["gateway-1"], "email-7")
    assert members(mesh["deadletter-1"])["email-7"]["state"] == "in"
    deliver(mesh, payloads, "newcomer@t.test", 5)
    assert sum(one["name"] == "nmesh_mail_received_total" and one["count"] >= 5
               for one in newcomer.status()["metrics"]), "the mail went another way"


def test_everybody_finds_each_other_again_while_all_seeds_are_away(mesh, payloads):
    newcomers = [mesh.newcomer(f"email-{n}", "email").start() for n in (7, 8)]
    gateway_9 = mesh.newcomer("gateway-9", "gateway", 9).start()
    for newcomer in newcomers:
        until(lambda n=newcomer: members(gateway_9).get(n.name, {}).get("life") == "alive", "they know each other", 30)
        until(lambda n=newcomer: members(n).get("gateway-9", {}).get("life") == "alive", "both ways", 30)
    for actor in mesh.actors.values():
        actor.stop()
    for actor in (*newcomers, gateway_9):
        actor.start()
    for newcomer in newcomers:
        await_linked(newcomer, "gateway-9")
        await_linked(gateway_9, newcomer.name)
