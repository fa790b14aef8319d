"""Several gateways: whichever is asked, a key makes one notification and an id leads to its owner."""

import collections
import datetime
import itertools
import shutil
import time
import uuid

from harness.certs import now, time_text
from harness.client import FINAL
from harness.ledger import Ledger
from harness.load import Load, drain
from harness.mesh import ADMIN_SERVICE, fast_build, one_of_each, smtp
from harness.owners import owner
from harness.payload import Payloads
from harness.waiting import until, within


def number_of(notification):
    """Of the gateway that owns it (PROTOCOL.md, Ids)."""
    return (uuid.UUID(notification).int >> 46) & 0xFFFF


def owner_of(mesh, key):
    numbers = [actor.entry["number"] for actor in mesh.of_role("gateway")]
    return owner(mesh.authority.public, uuid.UUID(ADMIN_SERVICE), numbers, key)


def wait_linked(mesh):
    """Until each running gateway knows that the others are there."""
    for actor in mesh.of_role("gateway"):
        if actor.running():
            client = mesh.client(gateway=actor.name)
            until(lambda: all(door["up"] == mesh[door["name"]].running() for door in client.ask("doors").body["doors"]),
                  f"{actor.name} to know which gateways are up")


def list_all(client, limit=7, **filters):
    """The ids of all pages, in their order; whether each page was whole."""
    ids, cursor, whole = [], None, True
    while True:
        answer = client.ask("notifications.list", {"limit": limit, **filters, **({"cursor": cursor} if cursor else {})})
        assert answer.status == 200, answer
        ids += [item["id"] for item in answer.body["items"]]
        whole &= "incomplete" not in answer.body
        cursor = answer.body["next_cursor"]
        if not cursor:
            return ids, whole


def test_a_list_is_the_same_whichever_gateway_is_asked(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=3, deadletter=2), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    clients = [mesh.client(gateway=f"gateway-{n}") for n in (1, 2, 3)]
    later = {"send_at": "2099-01-01T00:00:00Z"}
    sent = [clients[n % 3].send({**payloads.request(n, f"u{n}@t.test"), **(later if n % 2 else {})}) for n in range(30)]
    assert {number_of(one) for one in sent} == {1, 2, 3}
    for client in clients:
        assert list_all(client) == (sorted(sent, reverse=True), True)
        assert list_all(client, status="scheduled") == (sorted(sent[1::2], reverse=True), True)
        assert client.ask("dead_letters.list", {}).body == {"items": [], "next_cursor": None}

    #  A page of one gateway goes on at another.
    page = clients[0].ask("notifications.list", {"limit": 10}).body
    rest = clients[1].ask("notifications.list", {"limit": 200, "cursor": page["next_cursor"]}).body
    assert [item["id"] for item in page["items"] + rest["items"]] == sorted(sent, reverse=True)

    mesh["gateway-2"].kill()
    until(lambda: not list_all(clients[0])[1], "gateway-2 to be missed")
    began = time.monotonic()
    answer = clients[0].ask("notifications.list", {"limit": 200})
    assert answer.body["missing"] == ["gateway-2"] and answer.body["incomplete"] is True
    assert [item["id"] for item in answer.body["items"]] == sorted((one for one in sent if number_of(one) != 2), reverse=True)
    assert time.monotonic() - began < within(2)
    mesh["gateway-2"].start()
    until(lambda: list_all(clients[0]) == (sorted(sent, reverse=True), True), "all to be listed again")


class Follower:
    """Reads all events of a service, from page to page, at one gateway after the other."""

    def __init__(self, clients, **start):
        self.clients, self.seen, self.turn = clients, [], 0
        self.cursor = self.read({"wait_ms": 0, **start})

    def read(self, body):
        self.turn += 1
        answer = self.clients[self.turn % len(self.clients)].ask("events.read", body)
        assert answer.status == 200, answer
        for item in answer.body["items"]:
            assert set(item) == {"cursor", "id", "event", "status", "at", "detail", "service_id"}, item
        self.seen += [(item["id"], item["event"]) for item in answer.body["items"]]
        return answer.body["next_cursor"]

    def read_on(self, wait_ms=1000):
        self.cursor = self.read({"after": self.cursor, "wait_ms": wait_ms, "limit": 7})

    def read_until(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        while not wanted <= set(self.seen):
            assert time.monotonic() < end, f"{len(wanted - set(self.seen))} events did not come: {wanted - set(self.seen)}"
            self.read_on()
        assert len(self.seen) == len(set(self.seen)), "an event came twice"


def test_events_of_all_gateways_come_once_whichever_is_asked(make_mesh, make_sink, capsys):
    """Followers at one gateway and at all in turn, while one gateway is killed and the other restarted."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=2), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    clients = [mesh.client(gateway=f"gateway-{n}") for n in (1, 2)]
    one, both = Follower(clients[:1]), Follower(clients)
    events = {"accepted", "queued", "sending", "sent"}

    def send(n, where):
        sent = where.send(payloads.request(n, f"u{n}@t.test"))
        return {(sent, event) for event in events}

    wanted = set().union(*(send(n, clients[n % 2]) for n in range(20)))
    one.read_until(wanted)
    both.read_until(wanted)

    #  Who waits at one gateway hears at once what happens at the other.
    (ask,) = clients[0].post([("events.read", {"after": one.cursor, "wait_ms": 20000}, None)])
    time.sleep(0.3)
    began = time.monotonic()
    wanted |= send(20, clients[1])
    assert clients[0].collect([ask], 10)[ask].body["items"]
    waited = time.monotonic() - began
    assert waited < 2

    #  The other gateway dies with events that nobody has read, and comes back: they come then, others meanwhile.
    wanted |= send(21, clients[1])
    clients[1].wait_for(max(one for one, _ in wanted), "sent")
    mesh["gateway-2"].kill()
    for n in range(22, 26):
        wanted |= send(n, clients[0])
    one.read_until({(one, event) for one, event in wanted if number_of(one) == 1})
    mesh["gateway-2"].start()
    one.read_until(wanted)
    #  The first is restarted: what it knew of the other is gone, the cursor is not.
    mesh["gateway-1"].restart()
    wanted |= send(26, clients[1]) | send(27, clients[0])
    one.read_until(wanted)
    both.read_until(wanted)
    again = Follower(clients, after="0")
    again.read_until(wanted)

    #  One notification's stream says when it is over.
    last = max(one for one, _ in wanted)
    answer = until(lambda: (found := clients[0].ask("events.read", {"notification": last})).status == 200 and found, "an answer")
    assert answer.body["done"] is True and [item["event"] for item in answer.body["items"]][-1] == "sent"
    with capsys.disabled():
        print(f"\nevents over gateways: {len(wanted)} once at each of 3 followers, heard after {1000 * waited:.0f} ms")


def test_an_id_is_answered_by_any_gateway(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink()
    mesh = make_mesh(one_of_each(gateway=2), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    one, two = mesh.client(gateway="gateway-1"), mesh.client(gateway="gateway-2")
    sent = one.send(payloads.request(1, "u1@t.test"))
    assert number_of(sent) == 1
    assert two.wait_for(sent, "sent")["id"] == sent
    events = two.ask("events.read", {"notification": sent, "after": "0"})
    assert events.status == 200
    assert [item["id"] for item in events.body["items"]] == [sent] * len(events.body["items"])

    later = two.send({**payloads.request(2, "u2@t.test"), "send_at": "2099-01-01T00:00:00Z"})
    assert one.ask("notifications.cancel", {"id": later}).status == 200
    assert two.get(later)["status"] == "cancelled"
    assert mesh.operator("gateway-1").ask("notifications.get", {"id": later}).body["status"] == "cancelled"

    mesh["gateway-2"].kill()
    began = time.monotonic()
    answer = until(lambda: (found := one.ask("notifications.get", {"id": later})).status != 200 and found, "an answer")
    assert answer.status == 503 and answer.headers["retry-after"] == "1"
    assert time.monotonic() - began < within(5)
    mesh["gateway-2"].start()
    until(lambda: one.ask("notifications.get", {"id": later}).status == 200, "the owner to be asked again")


def test_a_gateway_that_is_away_costs_its_own_keys_alone(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=3), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    client = mesh.client(gateway="gateway-1")
    mesh["gateway-3"].kill()
    wait_linked(mesh)
    keys = [f"order-{n}" for n in range(90)]
    owners = {key: owner_of(mesh, key) for key in keys}
    assert set(owners.values()) == {1, 2, 3}
    ids = {}
    for n, key in enumerate(keys):
        answer = client.create(payloads.request(n, f"u{n}@t.test"), key=key)
        assert answer.status == (503 if owners[key] == 3 else 202), f"{key} of gateway {owners[key]}: {answer}"
        if answer.status == 202:
            ids[key] = answer.body["id"]
            assert number_of(ids[key]) == owners[key]
    assert client.create(payloads.request(90, "u90@t.test")).status == 202

    mesh["gateway-3"].start()
    wait_linked(mesh)
    for n, key in enumerate(keys):
        again = mesh.client(gateway=f"gateway-{n % 3 + 1}").create(payloads.request(n, f"u{n}@t.test"), key=key)
        assert again.status == 202 and again.body["id"] == ids.get(key, again.body["id"])
        assert number_of(again.body["id"]) == owners[key]


def test_a_key_makes_one_notification_whoever_is_killed(make_mesh, make_sink, capsys):
    """Every request is repeated at another gateway until it is answered, while gateways are killed in turn."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=3, router=2), build=fast_build(), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    keys = {actor.name: mesh.admin_key for actor in mesh.of_role("gateway")}
    load = Load.over(mesh.doors(), {"t": keys}, payloads, per_second=100, patience=2.5, roam=True)
    load.start()
    for turn in range(6):
        time.sleep(0.7)
        victim = mesh[f"gateway-{turn % 3 + 1}"]
        victim.kill()
        time.sleep(1 if turn % 2 else 2.5)
        victim.start()
        assert not load.failure, load.failure
    load.finish()
    records = drain(mesh, load.ledger)
    report = load.ledger.check(sink, records)
    with capsys.disabled():
        print(f"\nseveral gateways: answers {load.codes}, {report.line()}")
    report.assert_good()
    assert {number_of(one) for one, _ in load.ledger.accepted.values()} == {1, 2, 3}
    assert load.codes.get(503, 0) > 0, "no gateway was missed"


def test_a_gateway_that_is_added_answers_what_others_answered_before(make_mesh, make_sink):
    """The same requests again, after a third of the keys has moved to a new gateway."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=2), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    client = mesh.client(gateway="gateway-1")
    keys = [f"order-{n}" for n in range(60)]
    first = {key: client.send(payloads.request(n, f"u{n}@t.test"), key=key) for n, key in enumerate(keys)}

    mesh.authority.founded += datetime.timedelta(hours=12)
    mesh.add_actor("gateway-3", "gateway", 3)
    mesh.write_mesh_file()
    #  It starts alone: the others do not know of it yet, and it cannot take in what they may know of.
    mesh["gateway-3"].start()
    new = mesh.client(gateway="gateway-3")
    moved = [key for key in keys if owner_of(mesh, key) == 3]
    assert moved
    n = keys.index(moved[0])
    assert new.create(payloads.request(n, f"u{n}@t.test"), key=moved[0]).status == 503
    for actor in mesh.actors.values():
        actor.restart()
    wait_linked(mesh)
    for n, key in enumerate(keys):
        for gateway in ("gateway-3", "gateway-1"):
            answer = mesh.client(gateway=gateway).create(payloads.request(n, f"u{n}@t.test"), key=key)
            assert answer.status == 202 and answer.body["id"] == first[key], f"{key} at {gateway}: {answer}"
    for n in range(100, 130):
        ids = {mesh.client(gateway=f"gateway-{g}").send(payloads.request(n, f"u{n}@t.test"), key=f"order-{n}")
               for g in (3, 1, 2)}
        assert len(ids) == 1
        assert number_of(ids.pop()) == owner_of(mesh, f"order-{n}")


def test_a_service_with_two_disks_is_answered_when_both_have_it(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=2), providers={"sink": smtp(sink.port)})
    wait_linked(mesh)
    key = mesh.service("careful")
    changed = mesh.client().ask("services.patch", {"id": mesh.services["careful"], "accept": 2})
    assert changed.status == 200 and changed.body["accept"] == 2
    client = mesh.client(key)
    answers = [client.create(payloads.request(n, f"u{n}@t.test")) for n in range(20)]
    assert [answer.status for answer in answers] == [202] * 20
    assert {(answer.body["copies"], answer.body["hosts"]) for answer in answers} == {(2, 1)}
    for answer in answers:
        client.wait_for(answer.body["id"], "sent")

    mesh["gateway-2"].freeze()
    assert client.create(payloads.request(20, "u20@t.test"), seconds=20).status == 503
    assert len(client.ask("notifications.list", {"limit": 100}).body["items"]) == 20
    mesh.client().ask("services.patch", {"id": mesh.services["careful"], "accept_alone": True})
    alone = until(lambda: (found := client.create(payloads.request(21, "u21@t.test"))).status == 202 and found, "a 202")
    assert alone.body["copies"] == 1
    mesh["gateway-2"].thaw()
    wait_linked(mesh)
    assert client.create(payloads.request(22, "u22@t.test")).body["copies"] == 2
    until(lambda: len({payloads.read(line)[0] for line in sink.got()}) == 22, "all that were accepted, and no other")


def forget(mesh, name, over):
    """The authority's word, as nctl forget publishes it."""
    known = {one["name"]: one for one in mesh.operator(over).ask("directory.list").body["members"]}
    store = known[name]["store"]
    text = f"nmesh-statement-1\nforget\n{name}\n{time_text(now())}\n{store}\n"
    answer = mesh.operator(over).ask("directory.publish", {2: [{1: text, 2: mesh.authority.sign(text.encode())}]})
    assert answer.status == 200, answer


def lose(mesh, name):
    """As if its machine had burnt."""
    mesh[name].kill()
    shutil.rmtree(mesh[name].store)


def wait_recovered(mesh, name):
    def done():
        status = mesh[name].status()
        return status["recovering"] == "" and status["unaccounted"] == 0
    until(done, lambda: f"{name} to account for all: {mesh[name].status()}", 60)


def test_a_burnt_gateway_loses_nothing_that_was_on_two_disks(make_mesh, make_sink, capsys):
    """kill -9 and rm -rf of the first gateway while it accepts: every 202 comes to its end over the keeper."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(gateway=3, router=2, email=2), build=fast_build(),
                     providers={"sink": smtp(sink.port)}, settings={"directory": {"beat": "500ms", "expiry": "2s"}})
    wait_linked(mesh)
    key = mesh.service("careful")
    assert mesh.client().ask("services.patch", {"id": mesh.services["careful"], "accept": 2}).status == 200
    client = mesh.client(key)
    first = mesh["gateway-1"]
    until(lambda: {one["name"] for one in mesh.operator("gateway-2").ask("directory.list").body["members"]}
          >= set(mesh.actors), "all to be heard of")
    ledger = Ledger(payloads)
    for turn in range(12):
        if turn == 9:
            mesh["router-1"].freeze()   # Some are on their way, some are taken in, some wait
        ids = client.submit([payloads.request(n, f"u{n}@t.test") for n in range(50 * turn, 50 * turn + 50)],
                            keys=[f"burnt-{n}" for n in range(50 * turn, 50 * turn + 50)])
        answers = client.collect(ids, 5)
        for n, ask in enumerate(ids, 50 * turn):
            if ask in answers and answers[ask].status == 202 and number_of(answers[ask].body["id"]) == 1:
                assert answers[ask].body["copies"] == 2
                ledger.accept(n, answers[ask].body["id"], f"u{n}@t.test")
    lose(mesh, first.name)
    mesh["router-1"].thaw()
    time.sleep(1)
    began = time.monotonic()
    forget(mesh, "gateway-1", "router-2")
    todo = {one for one, _ in ledger.accepted.values()}
    heirs = [mesh.client(gateway=name) for name in ("gateway-2", "gateway-3")]
    records = {}

    def done():
        for one, answer in heirs[0].get_many(set(todo)).items():
            if answer.status == 200 and answer.body["status"] in FINAL:
                records[one] = answer
                todo.discard(one)
        return not todo
    until(done, lambda: f"{len(todo)} to be final: {list(heirs[0].get_many(list(todo)[:2]).values())}", 60, every=0.3)
    took = time.monotonic() - began
    for name in ("gateway-2", "gateway-3"):
        wait_recovered(mesh, name)
    got = collections.Counter(payloads.read(line)[0] for line in sink.got())
    lost = [n for n in ledger.accepted if not got[n]]
    twice = [n for n in ledger.accepted if got[n] > 1]
    with capsys.disabled():
        print(f"\nburnt gateway: accepted on two disks {len(ledger.accepted)}, lost {len(lost)}, sent twice {len(twice)}, "
              f"all final after {took:.1f} s")
    assert len(ledger.accepted) > 100
    assert not lost
    #  What was adopted is listed once, and the one that is forgotten is not missed.
    listed = [list_all(heir, limit=200) for heir in heirs]
    assert listed[0] == listed[1] and listed[0][1]
    assert len(set(listed[0][0])) == len(listed[0][0]) and {one for one, _ in ledger.accepted.values()} <= set(listed[0][0])
    some = sorted(records)[:20]
    assert all(answer.status == 200 for answer in heirs[1].get_many(some).values())


def test_a_burnt_router_and_email_actor_lose_nothing(make_mesh, make_sink, capsys):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), build=fast_build(), providers={"sink": smtp(sink.port)},
                     settings={"directory": {"beat": "500ms", "expiry": "2s"}})
    client = mesh.client()
    until(lambda: {one["name"] for one in mesh.operator("gateway-1").ask("directory.list").body["members"]}
          >= set(mesh.actors), "all to be heard of")
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=200, recipient=lambda n: f"u{n}+slow0.1@t.test" if n % 7 == 0 else f"u{n}@t.test")
    load.start()
    for name in ("router-1", "email-1"):
        time.sleep(2)
        lose(mesh, name)
        time.sleep(0.5)
        forget(mesh, name, "router-2")
    time.sleep(1)
    load.finish()
    wait_recovered(mesh, "gateway-1")
    records = drain(mesh, load.ledger, 60)
    report = load.ledger.check(sink, records)
    with capsys.disabled():
        print(f"\nburnt router and email actor: {report.line()}")
    assert not report.lost and not report.torn and not report.status
    assert client.ask("health").status == 200
