"""Load that goes on while the mesh is being hurt: every request is asked again under its key until it was answered."""

import threading
import time

from harness.client import Client
from harness.ledger import Ledger
from harness.waiting import until


class Load(threading.Thread):
    """Sends self-proving notifications at a steady rate until it is told to stop.

    A request whose answer did not come is asked again with the same idempotency key, so that in the end each is known
    to be accepted or refused, and a request that was accepted twice would show as one n with two ids."""

    def __init__(self, endpoint, server_key, api_key, payloads, *, per_second=50, first=0, recipient=None, patience=3.0,
                 refusals=(503, 507, 409, 504)):
        super().__init__(daemon=True)
        self.make_client = lambda: Client(endpoint, server_key, api_key)
        self.payloads, self.per_second, self.n, self.patience = payloads, per_second, first, patience
        self.recipient = recipient or (lambda n: f"u{n}@t.test")
        self.refusals = refusals    # Codes that mean: not now, ask again
        self.ledger = Ledger(payloads)
        self.pending = {}           # n -> recipient: asked and not answered
        self.codes = {}
        self.failure = None
        self.sending = threading.Event()
        self.sending.set()
        self.ending = threading.Event()

    def run(self):
        client = self.make_client()
        try:
            began, started = time.monotonic(), self.n
            while self.sending.is_set() or self.pending:
                if self.ending.is_set():
                    break
                if self.sending.is_set():
                    for _ in range(int((time.monotonic() - began) * self.per_second) - (self.n - started)):
                        self.pending[self.n] = self.recipient(self.n)
                        self.n += 1
                self.ask(client)
        except Exception as error:  # Shown by the test that joins
            self.failure = error
        finally:
            client.close()

    def ask(self, client):
        part = dict(list(self.pending.items())[:200])
        if not part:
            time.sleep(0.02)
            return
        ids = client.submit([self.payloads.request(n, to) for n, to in part.items()], keys=[f"key-{n}" for n in part])
        answers = client.collect(ids, self.patience)
        for ask, (n, recipient) in zip(ids, part.items()):
            if ask not in answers:
                continue
            answer = answers[ask]
            self.codes[answer.status] = self.codes.get(answer.status, 0) + 1
            if answer.status == 202:
                self.ledger.accept(n, answer.body["id"], recipient)
                del self.pending[n]
            elif answer.status not in self.refusals:
                raise AssertionError(f"n{n} was answered {answer}")
        if len(answers) < len(ids):
            client.reopen()
        elif any(answers[ask].status != 202 for ask in ids):
            time.sleep(0.2)

    def finish(self, seconds=60):
        """No new ones; waits until all are answered."""
        self.sending.clear()
        self.join(seconds)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), f"{len(self.pending)} requests were not answered within {seconds:g} s"

    def abandon(self):
        """Ends now, whatever is still open."""
        self.ending.set()
        self.sending.clear()
        self.join(self.patience + 5)


def drain(mesh, ledger, seconds=120):
    """Waits until every accepted notification is final; returns the records."""
    from harness.client import FINAL
    client = mesh.client()
    todo = {notification for notification, _ in ledger.accepted.values()}
    records = {}

    def done():
        found = client.get_many(todo)
        for one, answer in found.items():
            if answer.status == 200 and answer.body["status"] in FINAL:
                records[one] = answer
                todo.discard(one)
        return not todo

    def rest():
        shown = [answer.body if answer.status == 200 else answer for answer in client.get_many(list(todo)[:3]).values()]
        return f"{len(todo)} of {len(records) + len(todo)} notifications to be final, as {shown}"
    until(done, rest, seconds, every=0.3)
    return records
