"""Who may not speak on the mesh does not: at the handshake, and by role.

Each refusal is shown by what did not happen to the outside (no answer, no mail on its way) and by the log line that
names the key. Without a ZAP handler every one of these knocks would be let in: mutant no_zap.
"""

import datetime
import os
import subprocess
import uuid

import pytest
import zmq

from harness.certs import Authority, fingerprint, now
from harness.client import NoAnswer
from harness.frames import DELIVERY, WORK, Post, greet, mail, post, work
from harness.mesh import smtp
from harness.waiting import until

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def mesh(make_module_mesh, sink):
    return make_module_mesh(providers={"sink": smtp(sink.port)})


@pytest.fixture
def healthy(mesh, sink, payloads, request):
    """After the test every actor is the process that it was, and mail still flows."""
    before = {name: actor.process.pid for name, actor in mesh.actors.items()}
    yield
    assert {name: actor.process.pid for name, actor in mesh.actors.items() if actor.running()} == before
    client = mesh.client()
    recipient = f"after{abs(hash(request.node.name))}@t.test"
    client.wait_for(client.send(payloads.request(1, recipient)), "sent")


def knock(mesh, actor, place, **more):
    """A status ask at a desk by somebody; True if it was answered."""
    asker = mesh.asker(actor, place=place, **more)
    return asker.is_answered(seconds=0.7)


def forged():
    return work({"channel": "email", "recipient": "forged@t.test", "subject": "forged", "content": "forged"})


class Pair:
    """A key without a certificate."""

    def __init__(self):
        self.public, self.secret = zmq.curve_keypair()


DESKS = ["gateway-1", "router-1", "email-1", "deadletter-1"]


@pytest.mark.parametrize("actor", DESKS)
def test_the_operator_is_answered(mesh, actor):
    assert knock(mesh, actor, "desk"), "what follows would prove nothing"


@pytest.mark.parametrize("actor", DESKS)
def test_a_stranger_without_a_mechanism_is_refused(mesh, healthy, actor):
    assert not knock(mesh, actor, "desk", mechanism="null")
    assert not post(mesh, actor, None, greet(os.urandom(16)))


@pytest.mark.parametrize("actor", DESKS)
def test_a_stranger_with_a_password_is_refused(mesh, healthy, actor):
    assert not knock(mesh, actor, "desk", mechanism="plain")


@pytest.mark.parametrize("actor", DESKS)
def test_an_unknown_key_is_refused_and_logged(mesh, healthy, actor):
    stranger = Pair()
    assert not knock(mesh, actor, "desk", certificate=stranger), "an unknown key was answered at the desk"
    post(mesh, actor, stranger, greet(os.urandom(16)))
    mesh[actor].wait_log(fingerprint(stranger.public))


def test_a_wrong_server_key_meets_nobody(mesh, healthy):
    """A client that pins another key than the door's does not talk to the door."""
    other, _ = zmq.curve_keypair()
    client = mesh.client()
    client.server_key = other
    client.reopen()
    with pytest.raises(NoAnswer):
        client.ask("health", seconds=1.5)


def make_wrong(mesh, what):
    """Certificates that are wrong in one way each."""
    if what == "expired":
        return mesh.authority.certify("email-1", "email", not_before=now() - 3 * DAY, not_after=now() - DAY)
    if what == "not yet valid":
        return mesh.authority.certify("email-1", "email", not_before=now() + DAY)
    if what == "another authority's":
        return Authority().certify("email-1", "email")
    if what == "altered":
        certificate = mesh.authority.certify("email-9", "email")
        certificate.role = "gateway"
        return certificate
    if what == "an operator's of another authority":
        return Authority().certify("operator-2", "operator")
    assert what == "not on the roster"
    return mesh.authority.certify("router-9", "router")


WRONG = ["expired", "not yet valid", "another authority's", "altered", "an operator's of another authority",
         "not on the roster"]


def test_nobody_without_a_good_certificate_gets_past_the_handshake(make_mesh):
    """At every bound socket but the door. Where the ZAP handler is missing, CURVE lets each of these in (mutant no_zap)."""
    mesh = make_mesh(start=False)
    for actor in mesh.actors.values():
        actor.start(wait=False)
        actor.wait_log('"ready"')
    knocking = {"an unknown key": Pair(), **{what: make_wrong(mesh, what) for what in WRONG}}
    for what, certificate in knocking.items():
        if what != "an unknown key":
            (mesh.folder / "certs" / f"wrong-{certificate.serial}.cert").write_text(certificate.text(False), encoding="ascii")
    let_in = [f"{what} at the {place} of {actor}" for actor in DESKS for place in ("mailbox", "desk")
              for what, certificate in knocking.items()
              if is_let_in(mesh, actor, place, certificate)]
    assert not let_in, "\n".join(let_in)
    assert is_let_in(mesh, "router-1", "desk", mesh.operator_certificate), "nobody at all is let in"


def is_let_in(mesh, actor, place, certificate):
    with Post(mesh, actor, certificate, place=place) as to:
        return to.is_let_in(250)


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_certificate_is_refused_and_logged(mesh, healthy, what):
    """The certificate lies in certs/ where the actors look, and is still not good enough."""
    wrong = make_wrong(mesh, what)
    path = mesh.folder / "certs" / f"wrong-{wrong.serial}.cert"
    path.write_text(wrong.text(False), encoding="ascii")
    try:
        for actor in ("router-1", "gateway-1"):
            assert not knock(mesh, actor, "desk", certificate=wrong), f"{what}: was answered"
            post(mesh, actor, wrong, greet(os.urandom(16)))
            mesh[actor].wait_log(wrong.fingerprint())
    finally:
        path.unlink()


def test_a_new_certificate_of_the_mesh_is_let_in(mesh, healthy):
    """What the ones above are refused for is what is wrong with them, not that they are new."""
    second = mesh.authority.certify("operator-3", "operator")
    second.save(mesh.folder, with_key=False)
    until(lambda: knock(mesh, "router-1", "desk", certificate=second), "it to be let in: certs/ is read once a second", 5)


def taken_in(mesh, actor, peer):
    (link,) = [link for link in mesh[actor].status()["links"] if link["peer"] == peer] or [None]
    return link["seen"] if link else None


@pytest.mark.parametrize("sender, receiver, kind", [
    ("email-1", "router-1", WORK), ("email-1", "deadletter-1", DELIVERY), ("deadletter-1", "email-1", DELIVERY),
    ("router-1", "router-1", WORK), ("gateway-1", "email-1", DELIVERY)])
def test_a_certified_actor_may_mail_only_what_its_role_may(mesh, healthy, sink, sender, receiver, kind):
    """The frame is judged by the certificate behind it: email-1's key may not bring work to a router."""
    lines = mesh[receiver].log().count("\n")
    before = len(sink.got())
    link_existed = taken_in(mesh, receiver, sender)
    own = mesh[sender].status()["store"]
    following = (link_existed or 0) + 1
    frame = mail(uuid.UUID(own["id"]).bytes, (following, kind, forged()), epoch=own["epoch"], low=following)
    post(mesh, receiver, mesh.certificates[sender], frame)
    until(lambda: mesh[receiver].log().count("\n") > lines, f"a word about it in the log of {receiver}")
    assert sender in "".join(mesh[receiver].log().splitlines(True)[lines:])
    assert taken_in(mesh, receiver, sender) == link_existed
    assert [line for line in sink.got()[before:] if line["recipient"] == "forged@t.test"] == []


def test_an_operator_may_ask_and_not_mail(mesh, healthy, sink):
    lines = mesh["router-1"].log().count("\n")
    store = os.urandom(16)
    post(mesh, "router-1", mesh.operator_certificate, greet(store), mail(store, (1, WORK, forged())))
    until(lambda: mesh["router-1"].log().count("\n") > lines, "a word about it in the log of router-1")
    assert not [line for line in sink.got() if line["recipient"] == "forged@t.test"]


def test_a_client_at_a_mailbox_or_desk_is_a_stranger(mesh, healthy):
    """The door lets any key in; the same key opens nothing else."""
    pair = zmq.curve_keypair()
    client = mesh.client(pair=pair)
    assert client.ask("notifications.list", {}).status == 200

    class Key:
        public, secret = pair
    for actor in DESKS:
        assert not knock(mesh, actor, "desk", certificate=Key)
    post(mesh, "router-1", Key, mail(os.urandom(16), (1, WORK, forged())))
    mesh["router-1"].wait_log(fingerprint(Key.public))


@pytest.mark.parametrize("asker, desk, op", [
    ("email-1", "deadletter-1", "dead_letters.list"), ("email-1", "gateway-1", "notifications.list"),
    ("router-1", "gateway-1", "keys.create"), ("deadletter-1", "email-1", "deliveries.cancel"),
    ("gateway-1", "router-1", "backup")])
def test_a_certified_actor_may_ask_only_what_its_role_may(mesh, healthy, asker, desk, op):
    asked = mesh.asker(desk, certificate=mesh.certificates[asker])
    try:
        answer = asked.ask(op, {}, seconds=1.5)
        assert answer.status == 403, answer
    except NoAnswer:
        pass


def test_the_door_is_no_desk(mesh, healthy):
    """What operators ask is not asked at the door, whatever certificate comes."""
    at_door = mesh.asker("gateway-1", place="door")
    assert at_door.ask("status", seconds=5).status in (401, 403, 404)
    assert at_door.ask("notifications.list", {}, seconds=5).status == 401


def test_every_listening_port_is_one_of_the_mesh_file(mesh, healthy):
    """No socket that nobody thought of: what the processes listen on is what the mesh file names."""
    pids = {actor.process.pid for actor in mesh.actors.values()}
    listed = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    open_ports = {int(row.split()[3].rsplit(":", 1)[1]) for row in listed.splitlines()
                  if any(f"pid={pid}," in row for pid in pids)}
    if not open_ports:
        pytest.skip("only root sees who listens on what")
    named = {int(entry.rsplit(":", 1)[1]) for actor in mesh.actors.values() for entry in actor.entry.values()
             if str(entry).startswith("tcp://")}
    assert open_ports == named
