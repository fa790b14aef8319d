"""Who is on the mesh: newcomers, loss of all seeds, what the authority states."""

import datetime
import os
import shutil
import time

import msgpack
import pytest
import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from harness.certs import Authority, now, time_text
from harness.mesh import one_of_each, smtp
from harness.waiting import until, within

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


# -- What the authority states

def publish(mesh, actor, text):
    """Signs a statement as the authority and gives it to one actor, as nctl does."""
    statement = {1: text, 2: mesh.authority.sign(text.encode())}
    return mesh.operator(actor).ask("directory.publish", {2: [statement]}, seconds=5)


def revoke(mesh, actor, name, certificate):
    answer = publish(mesh, actor, f"nmesh-statement-1\nrevoke\n{name}\n{certificate.serial}\n{time_text(now())}\n")
    assert answer.status == 200 and answer.body["taken"] == 1, answer


class Watch:
    """A certified peer's DEALER, and what its monitor says of the connection."""

    def __init__(self, mesh, actor, certificate):
        self.asker = mesh.asker(actor, certificate=certificate)
        self.monitor = self.asker.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)

    def events(self, seconds):
        found = []
        while self.monitor.poll(int(seconds * 1000)):
            found.append(recv_monitor_message(self.monitor)["event"])
        return found

    def close(self):
        self.asker.socket.disable_monitor()


def test_a_revoked_certificate_is_out_within_seconds_and_stays_out(mesh, payloads):
    """Its links and connections end on both sides, its mail goes elsewhere, and no restart brings it back."""
    email = mesh.newcomer("email-7", "email").start()
    for name in ("gateway-1", "router-1", "router-2"):
        await_linked(mesh[name], "email-7")
    spare = mesh.authority.certify("email-7", "email", pair=(mesh.certificates["email-7"].public,
                                                             mesh.certificates["email-7"].secret))
    watch = Watch(mesh, "router-1", spare)
    assert watch.asker.is_answered(), "what follows would prove nothing"
    began = time.monotonic()
    revoke(mesh, "deadletter-1", "email-7", mesh.certificates["email-7"])
    for name in ("gateway-1", "router-1", "router-2", "deadletter-1"):
        until(lambda n=name: members(mesh[n])["email-7"]["state"] == "uncertified", f"{name} knows", within(5))
        until(lambda n=name: links(mesh[n])["email-7"] != "up", f"{name} has no link to it", within(5))
    took = time.monotonic() - began
    assert not watch.asker.is_answered(seconds=0.5)
    events = watch.events(0.5)
    assert zmq.EVENT_DISCONNECTED in events, f"its connection stays: {events}"
    assert zmq.EVENT_HANDSHAKE_FAILED_AUTH in events, "it was let in again"
    watch.close()
    print(f"revoked: out everywhere after {took:.2f} s")
    assert took < within(5)
    deliver(mesh, payloads, "elsewhere@t.test", 3)

    email.wait_end(40)
    assert email.exit_codes[-1] == 78 and email.events("out"), "it did not learn that it has to leave"
    email.expected_exits.add(78)
    for actor in mesh.actors.values():
        if actor is not email:
            actor.restart()
    email.start(wait=False)
    email.wait_end(20)  # Its own store remembers
    shutil.rmtree(email.store)
    email.start(wait=False)
    email.wait_end(40)  # ... and so do the others
    assert members(mesh["gateway-1"])["email-7"]["state"] == "uncertified"  # Mail for it may still be there


def test_a_statement_of_another_authority_changes_nothing(mesh):
    other = Authority()
    text = f"nmesh-statement-1\nrevoke\nemail-1\n{mesh.certificates['email-1'].serial}\n{time_text(now())}\n"
    answer = mesh.operator("router-1").ask("directory.publish", {2: [{1: text, 2: other.sign(text.encode())}]})
    assert answer.status == 422 and "not signed by this mesh's authority" in answer.body["detail"]
    assert members(mesh["router-1"])["email-1"]["state"] == "in"


def test_a_forgotten_actor_is_fenced_and_a_new_one_takes_its_name(mesh, payloads):
    until(lambda: members(mesh["gateway-1"])["email-1"]["life"] == "alive", "it is heard")
    store = members(mesh["gateway-1"])["email-1"]["store"]
    mesh["email-1"].kill()
    mesh["email-1"].expected_exits.add(78)
    answer = publish(mesh, "router-2", f"nmesh-statement-1\nforget\nemail-1\n{time_text(now())}\n{store}\n")
    assert answer.status == 200, answer
    for name in ("gateway-1", "router-1", "deadletter-1"):
        until(lambda n=name: members(mesh[n])["email-1"]["state"] == "forgotten", f"{name} knows", within(5))
    mesh["email-1"].start(wait=False)
    mesh["email-1"].wait_end(40)
    assert mesh["email-1"].exit_codes[-1] == 78

    shutil.rmtree(mesh["email-1"].store)
    mesh.certificates["email-1"] = mesh.authority.certify("email-1", "email", not_before=now())
    mesh.certificates["email-1"].save(mesh.folder)
    mesh["email-1"].start()
    await_linked(mesh["gateway-1"], "email-1")
    deliver(mesh, payloads, "again@t.test", 2)


# -- Keys

def renew(mesh, name):
    """A new pair beside the old one; the actor is told, and then it takes its place."""
    actor, old = mesh[name], mesh.certificates[name]
    fresh = mesh.authority.certify(name, actor.role)
    fresh.save_as(actor.folder, f"{name}.next")
    answer = mesh.operator(name).ask("directory.renew", seconds=5)
    assert answer.status == 200 and answer.body["serial"] == fresh.serial, answer
    for kind, ending in (("keys", "key"), ("certs", "cert")):
        (actor.folder / kind / f"{name}.next.{ending}").rename(actor.folder / kind / f"{name}.{ending}")
    mesh.certificates[name] = fresh
    mesh.forget_operator(name)
    return old


def test_keys_change_under_load_and_nothing_is_lost(make_mesh, sink, payloads):
    mesh = make_mesh(one_of_each(router=2, email=2), providers={"sink": smtp(sink.port)}, settings=QUICK)
    until(lambda: members(mesh["gateway-1"])["email-2"]["life"] == "alive", "all are heard")
    client = mesh.client()
    asked = client.submit([payloads.request(n, f"renew{n}@t.test") for n in range(300)])
    for name in ("email-1", "router-2", "deadletter-1", "router-1", "email-2"):
        old = renew(mesh, name)
        until(lambda n=name: members(mesh["gateway-1"])[n]["public_key"] == mesh.certificates[n].public.decode(),
              f"the new key of {name} is known", 5)
        asked += client.submit([payloads.request(n, f"{name}{n}@t.test") for n in range(100)])
        assert old.serial != mesh.certificates[name].serial
    replies = client.collect(asked, 30)
    assert len(replies) == len(asked) and {reply.status for reply in replies.values()} == {202}
    sent = [reply.body["id"] for reply in replies.values()]
    until(lambda: {record.body["status"] for record in client.get_many(sent).values()} == {"sent"}, "all are sent", 60,
          every=0.5)
    for name in ("router-1", "router-2"):
        for peer in ("email-1", "email-2", "gateway-1"):
            await_linked(mesh[name], peer, 20)


def test_a_gateway_takes_a_new_key_and_its_door_too(mesh, payloads):
    until(lambda: members(mesh["router-1"])["gateway-1"]["life"] == "alive", "it is heard")
    old = renew(mesh, "gateway-1")
    revoke(mesh, "router-1", "gateway-1", old)
    until(lambda: members(mesh["email-1"])["gateway-1"]["serial"] == mesh.certificates["gateway-1"].serial, "it is known")
    for name in ("router-1", "router-2", "email-1"):
        await_linked(mesh[name], "gateway-1", 20)
    deliver(mesh, payloads, "newdoor@t.test", 3)


# -- The lobby

def knock_frame(mesh, certificate, *, signer=None, stamp=None, body=None):
    at = stamp or int(time.time() * 1000)
    own = {1: certificate.name, 2: certificate.role, 3: certificate.serial, 4: millis(certificate.not_before),
           5: millis(certificate.not_after), 6: z85.decode(certificate.public), 7: certificate.signs.public,
           8: certificate.signature}
    packed = body or msgpack.packb({1: own, 2: at, 3: at + 70000, 4: "rack-1", 6: "tcp://127.0.0.1:9", 7: "tcp://127.0.0.1:10",
                                    10: os.urandom(16), 11: 1, 12: "0.1.0"})
    signature = (signer or certificate.signs).sign(b"nmesh-record-1\n" + packed)
    return msgpack.packb({1: {1: packed, 2: signature}})


def millis(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Lobby:
    def __init__(self, mesh, seed, pair):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_publickey, self.socket.curve_secretkey = pair
        self.socket.curve_serverkey = mesh.certificates[seed].public
        self.socket.connect(mesh[seed].entry["lobby"])

    def say(self, frame, seconds=2.0):
        self.socket.send(frame)
        return msgpack.unpackb(self.socket.recv(), strict_map_key=False) if self.socket.poll(int(seconds * 1000)) else None

    def close(self):
        self.socket.close()


@pytest.fixture
def at_lobby(mesh):
    opened = []

    def make(certificate=None, seed="gateway-1"):
        pair = (certificate.public, certificate.secret) if certificate else zmq.curve_keypair()
        opened.append(Lobby(mesh, seed, pair))
        return opened[-1]
    yield make
    for lobby in opened:
        lobby.close()


def test_the_lobby_takes_only_who_is_certified_and_holds_the_key(mesh, at_lobby):
    good = mesh.authority.certify("sms-9", "sms")
    foreign = Authority().certify("sms-8", "sms")
    ended = mesh.authority.certify("sms-7", "sms", not_after=now() - datetime.timedelta(hours=1))
    #  A replay of what sms-9 says, by one who does not hold its key
    refused = at_lobby().say(knock_frame(mesh, good))
    assert refused[1] == 403 and "not of the key that knocks" in refused[2]
    assert at_lobby(foreign).say(knock_frame(mesh, foreign))[1] == 403
    assert at_lobby(ended).say(knock_frame(mesh, ended))[1] == 403
    assert at_lobby(good).say(knock_frame(mesh, good, signer=Authority()))[1] == 403
    assert not {"sms-7", "sms-8", "sms-9"} & set(members(mesh["gateway-1"]))
    assert not mesh.asker("gateway-1", certificate=good).is_answered(seconds=0.7)

    welcome = at_lobby(good).say(knock_frame(mesh, good))
    assert welcome[1] == 200
    own = msgpack.unpackb(welcome[3][1], strict_map_key=False)
    assert own[1][1] == "gateway-1", "the seed does not say who it is"
    assert mesh.asker("gateway-1", certificate=good).is_answered()
    until(lambda: "sms-9" in members(mesh["email-1"]), "the others hear of it", 5)


def test_the_lobby_stands_garbage_and_floods(mesh, at_lobby):
    good = mesh.authority.certify("sms-9", "sms")
    frame = knock_frame(mesh, good)
    lobby = at_lobby(good)
    for junk in (b"", b"\xc1", b"\x91" * 2000, msgpack.packb({1: {1: b"x" * 2000, 2: b"y" * 64}}), frame[:-1], frame + b"\0"):
        lobby.socket.send(junk)
    lobby.socket.send(b"x" * 5000)  # Above the lobby's frame: the connection ends
    assert at_lobby(good).say(frame)[1] == 200
    flood = at_lobby()
    for _ in range(2000):
        flood.socket.send(frame)
    time.sleep(2.5)
    answered = 0
    while flood.socket.poll(100):
        flood.socket.recv()
        answered += 1
    assert answered <= 20 * 5, "a flood of one key is answered"
    assert mesh["gateway-1"].status()["name"] == "gateway-1"


def test_the_lobby_shakes_hands_only_under_curve(mesh):
    """RELIABILITY Z1: every end point that is bound, the lobby included."""
    for mechanism in ("null", "plain"):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        if mechanism == "plain":
            socket.plain_username, socket.plain_password = b"admin", b"admin"
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.connect(mesh["gateway-1"].entry["lobby"])
        socket.send(b"hello")
        assert not monitor.poll(700), f"{mechanism} was let in"
        socket.disable_monitor()
        socket.close()


def test_an_entry_added_to_the_mesh_file_lets_nobody_in(make_mesh, payloads, sink):
    """RELIABILITY K7: who may write the mesh file and certs/ of a machine, but is not the authority, adds nobody."""
    mesh = make_mesh(providers={"sink": smtp(sink.port)}, settings=QUICK, seeds=("gateway-1",), start=False)
    forged = Authority().certify("router-9", "router")
    mesh.add_actor("router-9", "router")
    forged.save(mesh.folder)
    mesh.write_mesh_file()
    del mesh.actors["router-9"]
    mesh.start()
    for name in mesh.actors:
        assert not mesh.asker(name, certificate=forged).is_answered(seconds=0.5)
        assert members(mesh[name])["router-9"]["state"] == "uncertified"
    deliver(mesh, payloads, "roster@t.test")
