"""HTTP while actors are killed: nothing accepted is lost, keyed requests make no second one, clients see 503 at worst."""

import collections
import threading
import time
import uuid

import pytest

from harness.mesh import one_of_each
from harness.waiting import until, within

ACCEPTED, AWAY = 202, 503


def valid(n):
    return {"channel": "email", "recipient": f"kill{n}@t.test", "subject": f"subject {n}", "content": f"content {n}"}


class Load:
    """Clients that send keyed notifications one after the other and repeat, under the same key, what got no 202."""

    def __init__(self, webs):
        self.webs, self.ended = webs, threading.Event()
        self.accepted, self.codes, self.faults = {}, collections.Counter(), []
        self.gap, self.last = 0.0, time.monotonic()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(web, n)) for n, web in enumerate(webs)]

    def run(self, web, worker):
        n = 0
        while not self.ended.is_set():
            n += 1
            key, body = str(uuid.uuid4()), valid(1000 * worker + n)
            while not self.ended.is_set():
                try:
                    answer = web.post("/v1/notifications", body, headers={"Idempotency-Key": key})
                except OSError:
                    web.close()     # The bridge itself was killed
                    self.codes["cut"] += 1
                    time.sleep(0.05)
                    continue
                self.note(answer, key)
                if answer.status == ACCEPTED:
                    break
                time.sleep(0.05)

    def note(self, answer, key):
        with self.lock:
            self.codes[answer.status] += 1
            now = time.monotonic()
            if answer.status == ACCEPTED:
                self.accepted[key] = answer.body["id"]
                self.gap, self.last = max(self.gap, now - self.last), now
            elif answer.status != AWAY or "retry-after" not in answer.headers:
                self.faults.append(answer)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def settle(web, load):
    """Each accepted one is there once, and ends."""
    assert not load.faults, load.faults[:3]
    assert len(set(load.accepted.values())) == len(load.accepted)
    for one in load.accepted.values():
        web.wait_for(one, "sent", seconds=30)


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    return make_module_mesh(one_of_each(bridge=2, gateway=2))


def clients(mesh, bridge, count=4):
    return [mesh.web(bridge=bridge) for _ in range(count)]


def test_a_gateway_that_is_killed_and_started_again_costs_two_seconds_at_most(mesh):
    with Load(clients(mesh, "bridge-1") + clients(mesh, "bridge-2")) as load:
        until(lambda: len(load.accepted) > 100, "some load")
        mesh["gateway-1"].kill()
        load.gap, load.last = 0.0, time.monotonic()
        mesh["gateway-1"].start()
        before = len(load.accepted)
        until(lambda: len(load.accepted) > before + 200, "load after the restart", 20)
    assert load.gap < within(2), (load.gap, load.codes)
    settle(mesh.web(bridge="bridge-2"), load)


def test_reads_and_requests_without_a_key_go_to_the_other_gateway(mesh):
    web = mesh.web()
    mesh["gateway-2"].kill()
    try:
        until(lambda: {web.post("/v1/notifications", valid(n)).status for n in range(4)} == {ACCEPTED},
              "the other one takes all", 6)
        codes = [web.post("/v1/notifications", valid(n)).status for n in range(20)]
        reads = [web.get("/health/ready").status for _ in range(20)]
    finally:
        mesh["gateway-2"].start()
    assert codes == [ACCEPTED] * 20 and reads == [200] * 20


def test_what_waits_for_a_frozen_gateway_is_answered_when_it_falls_silent(mesh):
    """A read is asked again elsewhere; what may have been done is answered 503, once the beats have stopped."""
    webs = clients(mesh, "bridge-1", 6)
    got, lock = [], threading.Lock()

    def ask(web, n):
        started = time.monotonic()
        answer = web.post("/v1/notifications", valid(n)) if n % 2 else web.get("/v1/services")
        with lock:
            got.append((answer.status, n, time.monotonic() - started))
    mesh["gateway-1"].freeze()
    try:
        threads = [threading.Thread(target=ask, args=(web, n)) for n, web in enumerate(webs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        mesh["gateway-1"].thaw()
    assert all(seconds < 4 for _, _, seconds in got), got
    assert {status for status, n, _ in got if n % 2 == 0} == {200}, got
    assert {status for status, n, _ in got if n % 2} <= {ACCEPTED, AWAY}, got
    until(lambda: {webs[0].get("/v1/services").status for _ in range(4)} == {200}, "both again")


def test_a_bridge_that_is_killed_loses_nothing(mesh):
    with Load(clients(mesh, "bridge-1")) as load:
        mesh.web(bridge="bridge-2")
        until(lambda: len(load.accepted) > 50, "some load")
        port = int(mesh["bridge-1"].status()["http"].rsplit(":", 1)[1])
        mesh["bridge-1"].kill()
        mesh["bridge-1"].entry["http"] = f"tcp://127.0.0.1:{port}"
        mesh.write_mesh_file()
        before = len(load.accepted)
        mesh["bridge-1"].start()
        until(lambda: len(load.accepted) > before + 50, "load after the restart", 20)
    assert load.codes["cut"] > 0
    settle(mesh.web(bridge="bridge-2"), load)


def test_a_bridge_that_is_told_to_stop_answers_what_it_has_taken(mesh):
    web = mesh.web(bridge="bridge-2")
    stream = web.stream("/v1/events")
    assert stream.status == 200
    with Load(clients(mesh, "bridge-2")) as load:
        until(lambda: len(load.accepted) > 20, "some load")
        assert mesh["bridge-2"].stop() == 0
        load.ended.set()
    list(stream)        # It has ended
    assert set(load.codes) <= {ACCEPTED, AWAY, "cut"}
    mesh["bridge-2"].start()
    settle(mesh.web(bridge="bridge-1"), load)


def test_streams_go_on_when_their_gateway_comes_back(mesh):
    web = mesh.web()
    later = [web.post("/v1/notifications", {**valid(n), "send_at": "2999-01-01T00:00:00Z"}).body["id"] for n in range(4)]
    streams = [web.stream(f"/v1/notifications/{one}/events") for one in later]
    mesh["gateway-1"].kill()
    mesh["gateway-2"].kill()
    mesh["gateway-1"].start()
    mesh["gateway-2"].start()
    for one in later:
        until(lambda: web.post(f"/v1/notifications/{one}/cancel").status in (200, 409), "it is cancelled", 15)
    for one, stream in zip(later, streams):
        assert [event["event"] for event in stream][-1] == "notification.cancelled", one
