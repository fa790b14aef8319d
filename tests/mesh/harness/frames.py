"""Link frames as wire/frames.h and wire/records.h have them, for tests that play an actor."""

import os
import secrets
import time

import msgpack
import zmq

GREET, MAIL, RECEIPT, BEAT, BYE = 1, 2, 3, 4, 5
WORK, DELIVERY, EVENT, DEAD_LETTER, REPLAY = 1, 2, 3, 4, 5


def new_id(gateway=1):
    """A UUIDv7 that carries the number of its gateway (wire/id.h)."""
    stamp = int(time.time() * 1000).to_bytes(6, "big")
    head = (0x7000 | secrets.randbits(12)).to_bytes(2, "big")
    tail = (0b10 << 62) | (gateway << 46) | secrets.randbits(46)
    return stamp + head + tail.to_bytes(8, "big")


def link_frame(kind, record):
    return msgpack.packb([kind, record])


def greet(store, epoch=1, low=1, following=1, credit=100, boot=77, **more):
    return link_frame(GREET, {1: store, 2: epoch, 3: boot, 4: low, 5: following, 10: credit, 11: False, **more})


def answer(store, theirs, number, boot=77):
    """To a greeting of theirs, of somebody who has no mail for them."""
    return link_frame(GREET, {1: store, 2: 1, 3: boot, 4: 1, 5: 1, 10: 100, 11: True, 13: theirs[3], 15: number,
                              16: theirs[15]})


def mail(store, *items, epoch=1, low=1):
    """items: (seq, kind, body)."""
    return link_frame(MAIL, {1: epoch, 2: store, 3: low, 4: [
        {1: seq, 2: kind, 3: 2, 4: body if isinstance(body, bytes) else msgpack.packb(body)} for seq, kind, body in items]})


def receipt(store, epoch, seen, credit=100):
    """Of mail that the store sent in that epoch."""
    return link_frame(RECEIPT, {1: store, 2: epoch, 3: seen, 5: credit})


def work(request, notification=None):
    """What a gateway mails to a router."""
    return {1: notification or new_id(), 2: os.urandom(16), 3: 0, 4: int(time.time() * 1000), 5: "made-by-a-test",
            7: request}


class Post:
    """A PUSH socket to an actor's mailbox (or a DEALER to its desk), as whoever the certificate names (None: nobody)."""

    def __init__(self, mesh, actor, certificate, place="mailbox"):
        self.socket = zmq.Context.instance().socket(zmq.PUSH if place == "mailbox" else zmq.DEALER)
        self.socket.linger = 1000
        self.socket.immediate = 1
        if certificate:
            self.socket.curve_publickey, self.socket.curve_secretkey = certificate.public, certificate.secret
            self.socket.curve_serverkey = mesh.certificates[actor].public
        self.socket.connect(mesh[actor].entry[place])

    def is_let_in(self, milliseconds=700):
        return bool(self.socket.poll(milliseconds, zmq.POLLOUT))

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Mailbox:
    """The mailbox of an actor that does not run, bound by the test in its place."""

    def __init__(self, mesh, actor):
        certificate = mesh.certificates[actor]
        self.socket = zmq.Context.instance().socket(zmq.PULL)
        self.socket.linger = 0
        self.socket.curve_server = True
        self.greetings = 0
        self.socket.curve_secretkey = certificate.secret
        self.socket.bind(mesh[actor].entry["mailbox"])

    def wait_for_mail(self, store, to, wanted=lambda record: True, seconds=20):
        """The next frame of mail that is wanted. Greetings are answered through `to`, other frames are passed over."""
        end = time.monotonic() + seconds
        while self.socket.poll(max(0, end - time.monotonic()) * 1000):
            kind, record = msgpack.unpackb(self.socket.recv(), strict_map_key=False)
            if kind == GREET:
                self.greetings += 1
                to.send(answer(store, record, self.greetings))
            if kind == MAIL and wanted(record):
                return record
        raise AssertionError(f"no mail came within {seconds:g} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def post(mesh, actor, certificate, *frames):
    """Sends the frames if the handshake goes well; says whether it did."""
    with Post(mesh, actor, certificate) as to:
        if not to.is_let_in():
            return False
        to.send(*frames)
        return True
