"""Figures: they move as the mesh does, Prometheus reads them, and whoever is missing is shown as missing."""

import concurrent.futures
import time

import pytest

from harness.mesh import one_of_each, smtp
from harness.prometheus import Figures, promtool
from harness.waiting import until, within

SETTINGS = {"email": {"retries": 3, "retry_delays": "200ms 400ms 800ms", "breaker_failures": 3, "breaker_open": "2s"},
            "http": {"proxies": "127.0.0.1"}}

ACTORS = {"gateway-1", "router-1", "user-1", "email-1", "deadletter-1", "bridge-1"}


@pytest.fixture(scope="module")
def world(make_module_mesh, make_module_sink):
    sink = make_module_sink("metrics")
    mesh = make_module_mesh(one_of_each(bridge=1), providers={"sink": smtp(sink.port)}, settings=SETTINGS)
    return mesh, sink


def figures(mesh):
    return Figures(mesh.nctl("metrics").stdout)


def scrape(mesh, **more):
    time.sleep(1.05)  # The last text has become old
    return Figures(mesh.web(None).get("/metrics", **more).raw.decode())


def test_a_notification_is_seen_on_its_way(world, payloads):
    mesh, _ = world
    client = mesh.client()
    before = figures(mesh)
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(5)]
    for one in ids:
        client.wait_for(one, "sent")
    assert client.ask("notifications.create", {"channel": "email"}).status == 422
    now = figures(mesh)

    def grew(name, **labels):
        return (now.of(name, **labels) or 0) - (before.of(name, **labels) or 0)
    assert grew("nmesh_accepts_total") == grew("nmesh_routed_total") == grew("nmesh_deliveries_total") == 5
    assert grew("nmesh_attempts_total", provider="sink", outcome="started") == 5
    assert grew("nmesh_attempts_total", provider="sink", outcome="sent") == 5
    assert grew("nmesh_finals_total", status="sent") == 5
    assert grew("nmesh_provider_call_seconds_count", provider="sink") == 5
    assert grew("nmesh_answers_total", status="202") == 5 and grew("nmesh_answers_total", status="422") == 1
    assert grew("nmesh_asks_answered_total", op="notifications.create", **{"class": "4xx"}) == 1
    for stage in ("accept", "route", "queue", "wait", "final"):
        assert grew("nmesh_stage_seconds_count", stage=stage) == 5, stage
        assert 0 < grew("nmesh_stage_seconds_sum", stage=stage) < 60, stage
    assert grew("nmesh_commit_seconds_count", actor="gateway-1") > 0
    assert now.of("nmesh_turn_inputs_bucket", actor="email-1", le="+Inf") > 0
    assert now.of("nmesh_backlog") == 0 and now.of("nmesh_notifications", status="sent") == 5
    assert now.of("nmesh_links", actor="gateway-1", peer_role="router", state="up") == 1
    assert now.of("nmesh_actor_up") == len(ACTORS) and now.of("nmesh_store_tight") == 0
    assert not any("t.test" in str(key) for key in now.samples), "no address is a label"


def test_an_outage_shows_in_attempts_breaker_and_ages(world, payloads):
    mesh, sink = world
    client = mesh.client()
    sink.mode("421")
    ids = [client.send(payloads.request(n, f"u{n}@t.test")) for n in range(10, 14)]
    until(lambda: figures(mesh).of("nmesh_breaker_state", provider="sink"), "the breaker to open", 10)
    until(lambda: figures(mesh).of("nmesh_backlog_oldest_seconds", actor="gateway-1") > 0.5, "work that waits to get older", 10)
    seen = figures(mesh)
    assert seen.of("nmesh_breaker_opened_total", provider="sink") >= 1
    assert seen.of("nmesh_attempts_total", provider="sink", outcome="later") >= 3
    assert seen.of("nmesh_backlog", role="email") == 4
    assert seen.of("nmesh_deliveries", actor="email-1") == 4
    assert seen.of("nmesh_deliveries", state="retrying") + seen.of("nmesh_deliveries", state="blocked") > 0
    assert seen.of("nmesh_deliveries_oldest_seconds", actor="email-1") > 0
    sink.mode("ok")
    for one in ids:
        client.wait_for(one, "sent", seconds=30)
    after = figures(mesh)
    assert after.of("nmesh_breaker_state", provider="sink") == 0
    assert after.of("nmesh_backlog") == 0 and after.of("nmesh_backlog_oldest_seconds") == 0


def test_what_is_scheduled_is_no_stall(world):
    mesh, _ = world
    client = mesh.client()
    one = client.send({"channel": "email", "recipient": "later@t.test", "subject": "s", "content": "c",
                       "send_at": "2030-01-01T00:00:00Z"})
    time.sleep(0.3)
    seen = figures(mesh)
    assert seen.of("nmesh_notifications", status="scheduled") == 1 and seen.of("nmesh_backlog", actor="gateway-1") == 1
    assert seen.of("nmesh_backlog_oldest_seconds", actor="gateway-1") == 0
    assert client.ask("notifications.cancel", {"id": one}).status == 200


def test_the_text_is_as_prometheus_wants_it(world):
    mesh, _ = world
    answer = mesh.web(None).get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.raw.decode()
    seen = Figures(text)
    assert seen.values("nmesh_actor_up", "actor") == ACTORS
    assert seen.of("nmesh_http_connections", actor="bridge-1") >= 1
    judged = promtool("check", "metrics", text=text)
    if judged is None:
        pytest.skip("promtool is not there (tools/setup brings it)")
    assert judged == (0, ""), judged


def test_scrapes_from_elsewhere_want_an_admins_key(world):
    mesh, _ = world
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    assert mesh.web(None).get("/metrics", headers=elsewhere).status == 401
    assert mesh.web("0" * 32 + "-" + "1" * 32).get("/metrics", headers=elsewhere).status == 401
    key = mesh.service("scraped")
    assert mesh.web(key).get("/metrics", headers=elsewhere).status == 403
    allowed = mesh.web().get("/metrics", headers=elsewhere)
    assert allowed.status == 200 and Figures(allowed.raw.decode()).of("nmesh_actor_up") == len(ACTORS)


def test_scrapes_put_no_load_on_the_mesh(world):
    mesh, _ = world
    asked = scrape(mesh).of("nmesh_asks_received_total", actor="router-1")
    web = mesh.web(None)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: web.as_key(None).get("/metrics").status, range(64))) == {200}
    assert scrape(mesh).of("nmesh_asks_received_total", actor="router-1") - asked < 20


def test_health_tells_who_is_there(world):
    mesh, _ = world
    web = mesh.web(None)
    assert web.get("/health").body == {"status": "ok"}
    ready = web.get("/health/ready")
    assert ready.status == 200 and ready.body["status"] == "ok" and ready.body["store"] == "ok"
    assert ready.body["backlog"] == 0 and ready.body["oldest_seconds"] == 0
    assert ready.body["store_quota_bytes"] > ready.body["store_used_bytes"] > 0 and ready.body["disk_free_bytes"] > 0
    assert {role: (one["alive"], one["total"]) for role, one in ready.body["roles"].items()} == {
        name[:-2]: (1, 1) for name in ACTORS}


def test_who_does_not_answer_is_shown_as_down(world):
    """The bridge asks by itself, so that figures are there while no gateway is."""
    mesh, _ = world
    mesh["gateway-1"].kill()
    mesh["email-1"].freeze()
    try:
        began = time.monotonic()
        seen = scrape(mesh)
        assert time.monotonic() - began < within(3.5)
        down = {name for name in seen.values("nmesh_actor_up", "actor") if not seen.of("nmesh_actor_up", actor=name)}
        assert down == {"gateway-1", "email-1"}
        assert seen.of("nmesh_turns_total", actor="gateway-1") is None and seen.of("nmesh_turns_total", actor="router-1") > 0
        web = mesh.web(None)
        assert web.get("/health").status == 200
        refused = web.get("/health/ready")
        assert refused.status == 503 and "retry-after" in refused.headers
        assert refused.headers["content-type"].startswith("application/problem+json")
    finally:
        mesh["email-1"].thaw()
        mesh["gateway-1"].start()
    until(lambda: scrape(mesh).of("nmesh_actor_up") == len(ACTORS), "all to be up again", 15)
    until(lambda: mesh.web(None).get("/health/ready").status == 200, "it to be ready again", 10)
