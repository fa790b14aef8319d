"""Load that goes on while the mesh is being hurt: every request is asked again under its key until it was answered."""

import collections
import threading
import time

import zmq

from harness.client import FINAL, Client
from harness.history import Nowhere
from harness.ledger import Ledger
from harness.payload import key_of, tenant_of
from harness.waiting import until

Door = collections.namedtuple("Door", "name endpoint server_key")

IN_FRAME = 200          # Asks in one frame
BUSY_SECONDS = 0.2      # How long after "not now" it is asked again


class Lane:
    """One tenant's connection to one door, and what was asked over it and is not answered."""

    def __init__(self, door, client):
        self.door, self.client = door, client
        self.waiting = collections.deque()  # n to be asked here
        self.open = {}                      # Id of the ask -> n
        self.since = 0.0                    # The oldest of them
        self.silent_until = 0.0             # Nothing new before: it did not answer
        self.busy_until = 0.0               # Nothing at all before: it said "not now"

    def is_well(self, now):
        return now >= self.silent_until and now >= self.busy_until


class Load(threading.Thread):
    """Sends self-proving notifications at a steady rate until it is told to stop.

    A request whose answer did not come is asked again with the same idempotency key, so that in the end each is known
    to be accepted or refused, and a request that was accepted twice would show as one n with two ids.

    It knows all doors and moves: what is new, and what a door refused for now, goes where there are answers. What a
    door may have accepted without our hearing of it is asked again there, unless the gateways see to it by themselves
    that a key has one owner (roam)."""

    def __init__(self, endpoint, server_key, api_key, payloads, **more):
        self.prepare([Door("gateway-1", endpoint, server_key)], {"t": {"gateway-1": api_key}}, payloads, **more)

    @classmethod
    def over(cls, doors, tenants, payloads, **more):
        """tenants: name -> API key at each door, by the door's name. A recipient's domain says whose request it is."""
        self = cls.__new__(cls)
        self.prepare(doors, tenants, payloads, **more)
        return self

    def prepare(self, doors, tenants, payloads, *, per_second=50, first=0, recipient=None, patience=3.0, limit=None,
                refusals=(503, 507, 409, 504), history=None, roam=False):
        threading.Thread.__init__(self, daemon=True)
        self.doors, self.tenants, self.payloads = doors, tenants, payloads
        self.per_second, self.first, self.n, self.patience, self.roam = per_second, first, first, patience, roam
        self.last = None if limit is None else first + limit
        self.recipient = recipient or (lambda n: f"u{n}@t.test")
        self.refusals = refusals    # Codes that mean: not now, ask again
        self.history = history or Nowhere()
        self.ledger = Ledger(payloads)
        self.pending = {}           # n -> recipient: asked and not answered
        self.codes = {}
        self.failure = None
        self.lanes = []
        self.bound = {}             # n -> the lane whose door may have accepted it
        self.sending = threading.Event()
        self.sending.set()
        self.ending = threading.Event()

    # -- The thread

    def run(self):
        try:
            self.by_tenant = {tenant: [Lane(door, Client(door.endpoint, door.server_key, keys[door.name]))
                                       for door in self.doors] for tenant, keys in self.tenants.items()}
            self.lanes = [lane for lanes in self.by_tenant.values() for lane in lanes]
            self.began = time.monotonic()
            while (self.sending.is_set() or self.pending) and not self.ending.is_set():
                self.step()
        except Exception as error:  # Shown by the test that joins
            self.failure = error
        finally:
            for lane in self.lanes:
                lane.client.close()

    def step(self):
        now = time.monotonic()
        if self.sending.is_set():
            self.make(now)
        for lane in self.lanes:
            if lane.open and now - lane.since > self.patience:
                self.give_up(lane, now)
            if lane.waiting and not lane.open and now >= lane.busy_until:
                self.ask(lane, now)
        self.hear(20)

    def make(self, now):
        """The requests that are due by now."""
        due = self.first + int((now - self.began) * self.per_second)
        made = []
        for n in range(self.n, due if self.last is None else min(due, self.last)):
            recipient = self.recipient(n)
            self.pending[n] = recipient
            self.ledger.ask(n, recipient)
            made.append({"what": "invoke", "n": n, "recipient": recipient})
            self.lane_for(n, now).waiting.append(n)
            self.n = n + 1
        self.history.write_all(made)
        if self.last is not None and self.n >= self.last:
            self.sending.clear()

    def lane_for(self, n, now):
        if n in self.bound:
            return self.bound[n]
        lanes = self.by_tenant[tenant_of(self.pending[n])]
        well = [lane for lane in lanes if lane.is_well(now)] or lanes
        return well[n % len(well)]

    def ask(self, lane, now):
        part = [lane.waiting.popleft() for _ in range(min(IN_FRAME, len(lane.waiting)))]
        ids = lane.client.submit([self.payloads.request(n, self.pending[n]) for n in part],
                                 keys=[key_of(n) for n in part])
        lane.open.update(zip(ids, part))
        lane.since = now

    def give_up(self, lane, now):
        """No answer: what became of it is not known, so it is asked again under its key."""
        unknown = list(lane.open.values())
        self.history.write_all([{"what": "info", "n": n, "door": lane.door.name} for n in unknown])
        lane.open.clear()
        lane.client.reopen()
        lane.silent_until = now + self.patience
        for n in unknown:
            if not self.roam:
                self.bound[n] = lane
            self.lane_for(n, now).waiting.append(n)

    def hear(self, milliseconds):
        poller = zmq.Poller()
        lanes = {}
        for lane in self.lanes:
            poller.register(lane.client.socket, zmq.POLLIN)
            lanes[lane.client.socket] = lane
        said = []
        for socket, _ in poller.poll(milliseconds):
            lane = lanes[socket]
            for ask, answer in lane.client.hear():
                if ask in lane.open:
                    self.judge(lane, lane.open.pop(ask), answer, said)
                    lane.since = time.monotonic()
        self.history.write_all(said)

    def judge(self, lane, n, answer, said):
        self.codes[answer.status] = self.codes.get(answer.status, 0) + 1
        lane.silent_until = 0.0
        if answer.status == 202:
            said.append({"what": "ok", "n": n, "id": answer.body["id"], "door": lane.door.name})
            self.ledger.accept(n, answer.body["id"], self.pending.pop(n))
            self.bound.pop(n, None)
        elif answer.status in self.refusals:
            now = time.monotonic()
            lane.busy_until = now + BUSY_SECONDS
            self.lane_for(n, now).waiting.append(n)
        else:
            said.append({"what": "fail", "n": n, "code": answer.status})
            self.history.write_all(said)
            raise AssertionError(f"n{n} was answered {answer}")

    # -- Whoever started it

    def finish(self, seconds=60):
        """No new ones; waits until all are answered."""
        self.sending.clear()
        self.join(seconds)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), (f"{len(self.pending)} requests were not answered within {seconds:g} s; "
                                     f"answers by status: {self.codes}")

    def abandon(self):
        """Ends now, whatever is still open."""
        self.ending.set()
        self.sending.clear()
        self.join(self.patience + 5)


def drain(mesh, ledger, seconds=120):
    """Waits until every accepted notification is final; returns the records."""
    todo = {notification for notification, _ in ledger.accepted.values()}
    records = {}

    def done():
        found = mesh.get_many(todo)
        for one, answer in found.items():
            if answer.status == 200 and answer.body["status"] in FINAL:
                records[one] = answer
                todo.discard(one)
        return not todo

    def rest():
        shown = [answer.body if answer.status == 200 else answer for answer in mesh.get_many(list(todo)[:3]).values()]
        return f"{len(todo)} of {len(records) + len(todo)} notifications to be final, as {shown}"
    until(done, rest, seconds, every=0.3)
    return records
