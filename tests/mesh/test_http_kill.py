"""Gateways, bridges and the user actor are killed under HTTP load: nothing accepted is lost, a request that is repeated under
its key makes no second notification, clients see 503 with Retry-After at worst, and are served again within 2 s.

NM_ROUNDS sets how often each is killed (1)."""

import collections
import http.client
import os
import random
import threading
import time

from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.ports import free_ports
from harness.waiting import until, within
from harness.web import Web

ROUNDS = int(os.environ.get("NM_ROUNDS", "1"))
VICTIMS = ["gateway-1", "user-1", "bridge-1", "gateway-2", "bridge-2"]
RECOVERY = 2.0


class Worker(threading.Thread):
    """Sends one keyed notification after the other, each until it is accepted, at one bridge or, when that is gone, the other."""

    def __init__(self, number, urls, key, payloads, ended):
        super().__init__(name=f"worker-{number}", daemon=True)
        self.webs = [Web(url, key, seconds=10) for url in urls]
        self.turn, self.number, self.payloads, self.ended = number, number, payloads, ended
        self.accepted, self.codes, self.faults = {}, collections.Counter(), []
        self.gaps = []      # (when it began, how long): times without an accepted request

    def run(self):
        last, n = time.monotonic(), 0
        while not self.ended.is_set():
            index = n * 100 + self.number
            self.accepted[index] = self.send(index)
            time.sleep(0.01)
            now = time.monotonic()
            self.gaps.append((last, now - last))
            last, n = now, n + 1

    def send(self, index):
        body = self.payloads.request(index, f"u{index}@t.test")
        while True:
            web = self.webs[self.turn % len(self.webs)]
            try:
                answer = web.post("/v1/notifications", body, headers={"Idempotency-Key": f"kill-{index}"})
            except (OSError, http.client.HTTPException):
                web.close()
                self.turn += 1
                self.codes["cut"] += 1
                time.sleep(0.02)
                continue
            self.codes[answer.status] += 1
            if answer.status == 202:
                return answer.body["id"]
            if answer.status not in (409, 503) or "retry-after" not in answer.headers and answer.status == 503:
                self.faults.append(answer)
            self.turn += 1
            time.sleep(0.05)


class Follower(threading.Thread):
    """Follows all events at one bridge or, when that is gone, the other, from the last that it had."""

    def __init__(self, urls, key, ended):
        super().__init__(name="follower", daemon=True)
        self.webs, self.ended = [Web(url, key, seconds=3) for url in urls], ended
        self.seen, self.last, self.streams, self.refused = [], None, 0, collections.Counter()

    def run(self):
        while not self.ended.is_set():
            self.streams += 1
            try:
                self.follow(self.webs[self.streams % len(self.webs)])
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)

    def follow(self, web):
        stream = web.stream("/v1/events" if self.last else "/v1/events?cursor=0",
                            {"Last-Event-ID": self.last} if self.last else {})
        if stream.status != 200:
            self.refused[stream.status] += 1
            time.sleep(0.1)
        else:
            for event in stream:
                self.last = event["id"]
                self.seen.append((event["data"]["id"], event["event"]))
                if self.ended.is_set():
                    break
        stream.close()


def test_kills_under_http_load_lose_nothing(make_mesh, make_sink, capsys):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(bridge=2, gateway=2, router=2), start=False, providers={"sink": smtp(sink.port)})
    urls = []
    for bridge, port in zip(mesh.of_role("bridge"), free_ports(2)):
        bridge.entry["http"] = f"tcp://127.0.0.1:{port}"    # The same after a restart
        urls.append(f"http://127.0.0.1:{port}")
    mesh.write_mesh_file()
    mesh.start()
    key, ended = mesh.service("t"), threading.Event()
    until(lambda: all(Web(url, key).get("/v1/notifications").status == 200 for url in urls), "both bridges to serve")
    workers = [Worker(n, urls, key, payloads, ended) for n in range(4)]
    followed = threading.Event()
    follower = Follower(urls, key, followed)
    for worker in [*workers, follower]:
        worker.start()
    kills, dice = [], random.Random(7)
    for _ in range(ROUNDS):
        for name in VICTIMS if ROUNDS == 1 else dice.sample(VICTIMS, len(VICTIMS)):
            time.sleep(0.5)
            mesh[name].kill()
            kills.append((time.monotonic(), name))
            mesh[name].start()
            assert all(worker.is_alive() for worker in workers)
    time.sleep(1)
    ended.set()
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive(), "a request was never accepted"
    faults = [fault for worker in workers for fault in worker.faults]
    codes = sum((worker.codes for worker in workers), collections.Counter())
    accepted = {index: one for worker in workers for index, one in worker.accepted.items()}
    longest = max(gap for worker in workers for _, gap in worker.gaps)
    assert not faults, faults[:3]
    assert len(set(accepted.values())) == len(accepted), "two requests have one notification"

    #  As many notifications as requests, however often each was repeated; and each came once.
    def listed():
        items, cursor = [], ""
        while cursor is not None:
            page = Web(urls[0], key).get(f"/v1/notifications?limit=200{cursor and '&cursor=' + cursor}")
            if page.status != 200 or "incomplete" in page.body:
                return []
            items, cursor = items + page.body["items"], page.body["next_cursor"]
        return items
    records = until(lambda: (found := listed()) and all(one["status"] == "sent" for one in found) and found,
                    "all to be sent", 30, every=0.3)
    assert sorted(one["id"] for one in records) == sorted(accepted.values())
    got = collections.Counter(payloads.read(line)[0] for line in sink.got())
    assert set(got) == set(accepted) and set(got.values()) == {1}
    #  Whoever follows by Last-Event-ID has heard of each step of each, once, whatever was killed meanwhile.
    wanted = {(one, f"notification.{event}") for one in accepted.values() for event in ("created", "queued", "sending", "sent")}
    until(lambda: wanted <= set(follower.seen), lambda: f"{len(wanted - set(follower.seen))} events to come", 20)
    followed.set()
    follower.join(20)
    again = [one for one, times in collections.Counter(follower.seen).items() if times > 1]
    assert not again, again[:5]
    assert set(follower.refused) <= {503}, follower.refused
    with capsys.disabled():
        print(f"\nHTTP kills: {len(kills)} ({', '.join(name for _, name in kills[:5])}), accepted {len(accepted)}, answers "
              f"{dict(codes)}, lost 0, twice 0, {len(follower.seen)} events once over {follower.streams} streams, longest wait of a client {longest:.2f} s")
    #  A process of the sanitized build takes its time to start; a client of the other one does not wait for it.
    assert longest < within(RECOVERY) * mesh.slowness, sorted(gap for worker in workers for _, gap in worker.gaps)[-5:]
