"""How mail changes hands: what was on its way to the dead is sent again, and what comes twice is taken in once."""

import os
import time

from harness.frames import WORK, Mailbox, Post, greet, mail, receipt, work
from harness.load import Load, drain
from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until


def seen(mesh, actor, peer):
    """Up to which number the actor has taken in the peer's mail."""
    return next(link["seen"] for link in mesh[actor].status()["links"] if link["peer"] == peer)


def test_mail_sent_to_a_dying_actor_is_sent_again(make_mesh, make_sink):
    """Frames that lie in the socket of a frozen router when it is killed: only the sender still has them."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)})
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=100)
    load.start()
    for _ in range(3):
        time.sleep(0.3)
        mesh["router-1"].freeze()
        accepted = len(load.ledger.accepted)
        until(lambda: load.failure or len(load.ledger.accepted) > accepted + 50, "50 more to be on their way")
        mesh["router-1"].kill()
        mesh["router-1"].start()
    load.finish()
    load.ledger.check(sink, drain(mesh, load.ledger, 25)).assert_good()


def test_mail_that_comes_twice_is_taken_in_once(make_mesh, make_sink):
    """The test plays gateway-1 and sends the same frames again, as a gateway does that never saw the receipt."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), start=False, providers={"sink": smtp(sink.port)})
    for actor in mesh.of_role("router", "email", "deadletter"):
        actor.start()
    store = os.urandom(16)
    frames = [mail(store, (n, WORK, work(payloads.request(n, f"u{n}@t.test")))) for n in range(1, 4)]
    with Post(mesh, "router-1", mesh.certificates["gateway-1"]) as to:
        assert to.is_let_in()
        to.send(greet(store, following=4), *frames)
        until(lambda: len(sink.got()) == 3, lambda: f"three messages at the sink, of {sink.lines()}")
        handed_on = seen(mesh, "email-1", "router-1")
        assert handed_on == 3
        to.send(*frames, *reversed(frames), greet(store, following=4), *frames)
        to.send(mail(store, (4, WORK, work(payloads.request(4, "u4@t.test")))))
    until(lambda: len(sink.got()) >= 4, "the one that was new")
    assert seen(mesh, "router-1", "gateway-1") == 4
    assert seen(mesh, "email-1", "router-1") == 4, "the router made deliveries of mail that it had seen before"
    assert sorted(payloads.read(line) for line in sink.got()) == [(n, None) for n in range(1, 5)]


def test_mail_that_comes_again_much_later_is_taken_in_once(make_mesh, make_sink):
    """What was seen is known for ever, not for a while."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), start=False, providers={"sink": smtp(sink.port)})
    for actor in mesh.of_role("router", "email", "deadletter"):
        actor.start()
    store = os.urandom(16)
    frame = mail(store, (1, WORK, work(payloads.request(1, "u1@t.test"))))
    with Post(mesh, "router-1", mesh.certificates["gateway-1"]) as to:
        assert to.is_let_in()
        to.send(greet(store, following=2), frame)
        until(lambda: len(sink.got()) == 1, "the message at the sink")
        for _ in range(2):
            time.sleep(1.5)     # Longer than any pause that the mutant of this name allows
            to.send(greet(store, following=2), frame)
        to.send(greet(store, following=3), mail(store, (2, WORK, work(payloads.request(2, "u2@t.test")))))
        until(lambda: any(payloads.read(line)[0] == 2 for line in sink.got()), "the one that was new")
    assert seen(mesh, "email-1", "router-1") == 2, "the router made deliveries of mail that it had seen before"
    assert sorted(payloads.read(line) for line in sink.got()) == [(1, None), (2, None)]


def test_a_receipt_of_an_older_epoch_is_not_believed(make_mesh, make_sink, tmp_path):
    """The test plays router-1 and receipts, to a restored gateway, the number that the same mail had before."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), start=False, providers={"sink": smtp(sink.port)})
    for actor in mesh.of_role("gateway", "email", "deadletter"):
        actor.start()
    gateway, store = mesh["gateway-1"], os.urandom(16)
    notification = mesh.client().send(payloads.request(1, "u1@t.test"))
    with Mailbox(mesh, "router-1") as box, Post(mesh, "gateway-1", mesh.certificates["router-1"]) as to:
        assert to.is_let_in()
        before = box.wait_for_mail(store, to)
        mesh.nctl("backup", "gateway-1", tmp_path / "copy")
        gateway.stop()
        mesh.nctl("restore", "gateway-1", tmp_path / "copy", "--replace")
        gateway.start()
        after = box.wait_for_mail(store, to, lambda record: record[1] > before[1])
        assert (before[1], after[1]) == (1, 2) and before[2] == after[2]
        to.send(receipt(before[2], before[1], seen=1))
        time.sleep(0.5)
    mesh["router-1"].start()
    until(lambda: sink.got(), lambda: f"the message, which is {mesh.client().get(notification)['status']}", 30)
    assert [payloads.read(line) for line in sink.got()] == [(1, None)]


def test_mail_of_an_older_epoch_is_not_taken(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), start=False, providers={"sink": smtp(sink.port)})
    for actor in mesh.of_role("router", "email", "deadletter"):
        actor.start()
    store = os.urandom(16)
    with Post(mesh, "router-1", mesh.certificates["gateway-1"]) as to:
        assert to.is_let_in()
        to.send(greet(store, epoch=3, following=2),
                mail(store, (1, WORK, work(payloads.request(1, "u1@t.test"))), epoch=3))
        until(lambda: len(sink.got()) == 1, "the first message")
        to.send(mail(store, (2, WORK, work(payloads.request(2, "u2@t.test"))), epoch=2),
                mail(os.urandom(16), (2, WORK, work(payloads.request(3, "u3@t.test"))), epoch=3),
                mail(store, (2, WORK, work(payloads.request(4, "u4@t.test"))), epoch=3))
    until(lambda: len(sink.got()) >= 2, "the one of this epoch")
    assert sorted(payloads.read(line) for line in sink.got()) == [(1, None), (4, None)]
