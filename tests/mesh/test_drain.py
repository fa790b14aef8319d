"""nctl drain: an actor takes no more, finishes or gives away what it has, leaves, and is not started again."""

import json
import os
import subprocess
import time

import pytest

from harness.load import Load, drain
from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until

SETTINGS = {"mesh": {"lease": "1s"}, "email": {"retries": 10, "retry_delays": "200ms 400ms 800ms", "concurrency": 2}}


@pytest.fixture
def world(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(router=2, email=2), providers={"sink": smtp(sink.port)}, settings=SETTINGS)
    return mesh, sink, payloads


def start_load(mesh, payloads, recipient=None):
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=60, recipient=recipient)
    load.start()
    return load


def in_order(notification, answer):
    events = [entry["event"] for entry in answer.body["timeline"]]
    assert events[-1] == "sent" and events.count("sent") == 1, f"{notification}: {events}"


def test_a_drained_actor_gives_away_what_it_has_and_leaves(world, capsys):
    """Slow recipients fill email-1 beyond what it can send at once; some wait there for a retry."""
    mesh, sink, payloads = world
    load = start_load(mesh, payloads, lambda n: f"u{n}+451x1@t.test" if n % 3 == 0 else f"u{n}+slow0.1@t.test")
    until(lambda: mesh["email-1"].status()["backlog"] > 20, "email-1 to hold some")
    said = mesh.nctl("drain", "email-1", "--wait", "60s")
    assert mesh["email-1"].wait_end(5) == 0
    assert "has left" in said.stdout
    assert "email-1: holds" in said.stderr, "progress is shown"
    assert (mesh.folder / "run" / "email-1.drained").exists()
    time.sleep(1.0)
    load.finish()
    records = drain(mesh, load.ledger)
    report = load.ledger.check(sink, records)
    with capsys.disabled():
        print(f"\ndrain of email-1: {report.line()}")
    report.assert_good()
    assert report.duplicates == 0 and report.delivered == report.accepted
    for notification, answer in records.items():
        in_order(notification, answer)
    assert mesh["router-1"].status()["links"], "the routers are well"


def test_a_drained_router_leaves_and_its_work_goes_on(world):
    mesh, sink, payloads = world
    load = start_load(mesh, payloads)
    time.sleep(0.5)
    mesh.nctl("drain", "router-1", "--wait", "30s")
    assert mesh["router-1"].wait_end(5) == 0
    time.sleep(0.5)
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    report.assert_good()
    assert report.duplicates == 0


def test_one_that_falls_silent_while_it_drains_has_not_left(world):
    mesh, _, payloads = world
    client = mesh.client()
    one = client.send(payloads.request(1, "u1+slow3@t.test"))
    until(lambda: any(mesh[name].status()["backlog"] for name in ("email-1", "email-2")), "one of them to have it")
    name = next(name for name in ("email-1", "email-2") if mesh[name].status()["backlog"])
    told = subprocess.Popen([str(mesh.build / "tools/nctl/nctl"), "drain", name, "--wait", "2500ms", "-C", str(mesh.folder)],
                            env=mesh.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "holds 1" in told.stderr.readline()
    mesh[name].freeze()
    try:
        stdout, stderr = told.communicate(timeout=20)
    finally:
        mesh[name].thaw()
    assert "has left" not in stdout and told.returncode == 1, f"{stdout}{stderr}"
    client.wait_for(one, "sent")
    assert mesh[name].wait_end(20) == 0


def test_a_draining_gateway_takes_nothing_new_and_stays_until_all_is_final(make_mesh, make_sink):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)}, settings=SETTINGS)
    client = mesh.client()
    one = client.send(payloads.request(1, "u1+slow4@t.test"))
    answer = mesh.operator("gateway-1").ask("drain", {})
    assert answer.status == 200 and answer.body["state"] == "draining" and answer.body["backlog"] == 1
    refused = client.ask("notifications.create", payloads.request(2, "u2@t.test"))
    assert refused.status == 503 and refused.headers.get("retry-after"), refused
    assert client.ask("health.ready", {}).status == 503
    assert client.get(one)["id"] == one, "what it owns is answered for"
    assert mesh["gateway-1"].wait_end(30) == 0
    assert [line["recipient"] for line in sink.got()] == ["u1+slow4@t.test"]


def test_only_an_operator_may_drain(world):
    mesh, _, _ = world
    asked = mesh.asker("router-1", certificate=mesh.certificates["email-1"])
    assert asked.ask("drain", {}, seconds=2).status == 403
    assert mesh["router-1"].status()["state"] == "running"


def test_the_supervisor_does_not_start_a_drained_actor_again(make_mesh):
    """nctl up starts an actor that ends again, but not one that was drained; the next nctl up does."""
    mesh = make_mesh(one_of_each(email=2), start=False)

    def up():
        return subprocess.Popen([str(mesh.build / "tools/nctl/nctl"), "up", "-C", str(mesh.folder)], env=mesh.env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def there(name):
        listed = json.loads(mesh.nctl("ps", "--json", code=None).stdout or "[]")
        return any(entry.get("name") == name and entry.get("pid") for entry in listed)

    supervisor = up()
    try:
        until(lambda: there("email-2"), "email-2 to be there", 20)
        mesh.nctl("drain", "email-2", "--wait", "30s")
        log = mesh.folder / "log" / "nctl.log"
        until(lambda: "email-2: ended" in log.read_text(), "the supervisor to notice")
        time.sleep(1.5)
        assert "it is drained. It is not started again" in log.read_text()
        assert log.read_text().count("email-2: started") == 1
        assert not (mesh.folder / "run" / "email-2.drained").exists()
        mesh.nctl("down")
        assert supervisor.wait(20) == 0
        supervisor = up()
        until(lambda: there("email-2"), "email-2 to be there again", 20)
    finally:
        mesh.nctl("down", code=None)
        supervisor.wait(20)
