"""Clients of the mesh in Python: pyzmq, CURVE and MessagePack, and the frames of wire/frames.h. None of nmesh's code."""

import itertools
import time
import uuid

import msgpack
import zmq


class Answer:
    def __init__(self, reply):
        self.status = reply["status"]
        self.headers = reply.get("headers") or {}
        self.body = reply.get("body")

    def __repr__(self):
        return f"{self.status} {self.body!r}"


class NoAnswer(Exception):
    """Nobody answered in time: whether the ask was done is not known."""


class Asker:
    """A DEALER to one end point. Asks are matched with replies by their id. source: the address that it comes from, one
    of this machine's."""

    def __init__(self, endpoint, server_key, pair=None, headers=None, mechanism="curve", source=None):
        self.endpoint, self.server_key, self.mechanism = endpoint, server_key, mechanism
        if source:
            self.endpoint = endpoint.replace("tcp://", f"tcp://{source}:0;")
        self.pair = pair or zmq.curve_keypair()
        self.headers = headers or {}
        self.ids = itertools.count(1)
        self.late = {}
        self.open()

    def open(self):
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        if self.mechanism == "curve":
            socket.curve_publickey, socket.curve_secretkey = self.pair
            socket.curve_serverkey = self.server_key
        elif self.mechanism == "plain":
            socket.plain_username, socket.plain_password = b"admin", b"admin"
        socket.connect(self.endpoint)
        self.socket = socket

    def close(self):
        self.socket.close()

    def reopen(self):
        self.close()
        self.open()

    def post(self, asks, headers=None):
        """Sends (op, body, headers) triples in one frame; returns their ids."""
        items = []
        for op, body, own in asks:
            item = {"id": next(self.ids), "op": op}
            if body is not None:
                item["body"] = body
            if own:
                item["headers"] = own
            items.append(item)
        frame = {"asks": items}
        merged = {**self.headers, **(headers or {})}
        if merged:
            frame["headers"] = merged
        self.socket.send(msgpack.packb(frame))
        return [item["id"] for item in items]

    def post_bytes(self, frame):
        self.socket.send(frame)

    def hear(self):
        """The answers that are here: (id of the ask, Answer), without waiting."""
        while self.socket.poll(0):
            for reply in msgpack.unpackb(self.socket.recv(), strict_map_key=False)["replies"]:
                yield reply["id"], Answer(reply)

    def collect(self, ids, seconds=30.0):
        """The answers to these ids that came in time: {id: Answer}."""
        wanted = set(ids)
        found = {i: self.late.pop(i) for i in list(self.late) if i in wanted}
        end = time.monotonic() + seconds
        while len(found) < len(wanted):
            left = end - time.monotonic()
            if left <= 0 or not self.socket.poll(max(1, int(left * 1000))):
                if left <= 0:
                    break
                continue
            for reply in msgpack.unpackb(self.socket.recv(), strict_map_key=False)["replies"]:
                (found if reply["id"] in wanted else self.late)[reply["id"]] = Answer(reply)
        return found

    def ask(self, op, body=None, *, headers=None, seconds=30.0):
        ids = self.post([(op, body, None)], headers)
        found = self.collect(ids, seconds)
        if not found:
            raise NoAnswer(f"{op} at {self.endpoint} was not answered within {seconds:g} s")
        return found[ids[0]]

    def is_answered(self, op="status", seconds=2.0):
        try:
            self.ask(op, seconds=seconds)
            return True
        except NoAnswer:
            return False


class Client(Asker):
    """What an application does at the door of a gateway."""

    def __init__(self, endpoint, server_key, api_key, **more):
        super().__init__(endpoint, server_key, headers={"api_key": api_key} if api_key else {}, **more)

    def create(self, body, *, key=None, seconds=30.0, **headers):
        if key:
            headers["idempotency_key"] = key
        return self.ask("notifications.create", body, headers=headers, seconds=seconds)

    def send(self, body, **more):
        """Creates one that must be accepted; returns its id."""
        answer = self.create(body, **more)
        assert answer.status == 202, f"not accepted: {answer}"
        return answer.body["id"]

    def get(self, notification):
        answer = self.ask("notifications.get", {"id": notification})
        assert answer.status == 200, f"no record of {notification}: {answer}"
        return answer.body

    def wait_for(self, notification, *statuses, seconds=15.0):
        """Polls until the status is one of these; returns the record."""
        end = time.monotonic() + seconds
        while True:
            record = self.get(notification)
            if record["status"] in statuses:
                return record
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds:g} s {notification} is {record['status']}, not "
                                     f"{' or '.join(statuses)}: {record['timeline']} {record['attempts']}")
            time.sleep(0.05)

    def submit(self, bodies, keys=None):
        """Sends many creates in one frame; returns the ids of the asks."""
        keys = keys or [str(uuid.uuid4()) for _ in bodies]
        return self.post([("notifications.create", body, {"idempotency_key": key}) for body, key in zip(bodies, keys)])

    def get_many(self, notifications, seconds=60.0):
        """Records by id, asked in frames of 100."""
        records, todo = {}, list(notifications)
        end = time.monotonic() + seconds
        while todo:
            part, todo = todo[:100], todo[100:]
            ids = self.post([("notifications.get", {"id": one}, None) for one in part])
            found = self.collect(ids, 10)
            for one, ask in zip(part, ids):
                if ask in found:
                    records[one] = found[ask]
                else:
                    todo.append(one)
            assert time.monotonic() < end, f"{len(todo)} of the records were not given within {seconds:g} s"
        return records


def gateway_of(notification):
    """The number of the gateway that owns it, which its id carries."""
    return uuid.UUID(notification).int >> 46 & 0xffff


FINAL = {"sent", "delivered", "bounced", "failed", "cancelled", "expired", "suppressed"}
