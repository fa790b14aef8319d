"""HTTP as API.md promises it: asked with Python's http.client, and over raw sockets where that is not enough."""

import concurrent.futures
import json
import re
import threading
import time
import uuid

import pytest

from harness.mesh import one_of_each
from harness.waiting import until
from harness.web import Web, statuses


def valid(n=1, **more):
    return {"channel": "email", "recipient": f"web{n}@t.test", "subject": f"subject {n}", "content": f"content {n}",
            **more}


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    return make_module_mesh(one_of_each(bridge=1), settings={"http": {"origins": "https://app.test",
                                                                      "proxies": "127.0.0.1"}})


@pytest.fixture(scope="module")
def tenant_key(mesh):
    return mesh.service("tenant")


@pytest.fixture
def web(mesh, tenant_key):
    return mesh.web(tenant_key)


@pytest.fixture
def admin(mesh):
    return mesh.web()


def assert_problem(answer, status):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "correlation_id"} <= set(answer.body), answer
    assert answer.body["status"] == status
    assert answer.body["correlation_id"] == answer.headers["x-correlation-id"]
    return answer


# -- The way of a notification

def test_a_notification_goes_in_and_its_status_comes_out(web):
    answer = web.post("/v1/notifications", valid())
    assert answer.status == 202, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body["links"]["self"] == f"/v1/notifications/{answer.body['id']}"
    record = web.wait_for(answer.body["id"], "sent")
    assert record["recipient"] == "web1@t.test" and record["attempts"][0]["provider"] == "maildir"
    assert record["id"] in [item["id"] for item in web.get("/v1/notifications?limit=5").body["items"]]


def test_it_can_be_cancelled_without_a_body(web):
    later = web.send(valid(send_at="2999-01-01T00:00:00Z"))
    answer = web.post(f"/v1/notifications/{later}/cancel")
    assert answer.status == 200 and answer.body["status"] == "cancelled", answer
    assert_problem(web.post(f"/v1/notifications/{later}/cancel"), 409)


def test_a_batch_is_taken_and_each_item_named(web):
    answer = web.post("/v1/notifications/batch", {"notifications": [valid(1), {"channel": "email"}, valid(3)]})
    assert answer.status == 202 and (answer.body["accepted"], answer.body["rejected"]) == (2, 1), answer
    assert answer.body["items"][1]["status"] == 422


@pytest.mark.parametrize("path", ["/notifications/send", "/notification-service/notifications",
                                  "/api/v1/notifications"])
def test_paths_and_names_of_earlier_services_work(web, path):
    body = {"notification_type": "email", "recipient": "old@t.test", "subject": "s", "content": "c"}
    answer = web.post(path, body)
    assert answer.status == 202, answer
    assert ("notificationId" in answer.body) == path.startswith("/notification-service")
    assert answer.body.get("notificationId", answer.body["id"]) == answer.body["id"]
    assert_problem(web.get(path), 405)


def test_services_keys_and_providers_are_kept_over_http(admin, mesh):
    made = admin.post("/v1/services", {"name": "over http"})
    assert made.status == 201, made
    path = f"/v1/services/{made.body['id']}"
    assert admin.patch(path, {"description": "changed"}).body["description"] == "changed"
    assert admin.patch(path, raw=b'{"description": null}',
                       headers={"Content-Type": "application/merge-patch+json"}).status == 200
    key = admin.post(f"{path}/keys", {"name": "k", "scopes": ["notifications:read"]})
    assert key.status == 201 and key.body["key_id"], key
    reader = mesh.web(key.body["key"])
    assert reader.get("/v1/notifications").status == 200
    assert_problem(reader.post("/v1/notifications", valid()), 403)
    gone = admin.delete(f"{path}/keys/{key.body['key_id']}")
    assert gone.status == 204 and gone.raw == b"" and "content-length" not in gone.headers
    assert_problem(reader.get("/v1/notifications"), 401)


# -- Conventions

def test_unknown_paths_are_404_and_wrong_methods_405_with_allow(web):
    for path in ["/", "/v1", "/v1/notification", "/v1/notifications/", "//v1/notifications", "/v1/notifications/a/b"]:
        assert_problem(web.get(path), 404)
    answer = assert_problem(web.ask("PUT", "/v1/notifications", valid()), 405)
    assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert assert_problem(web.get("/v1/notifications/batch"), 405).headers["allow"] == "POST, OPTIONS"
    assert_problem(web.ask("BREW", "/v1/notifications"), 405)


def test_options_says_what_is_allowed(web):
    answer = web.ask("OPTIONS", "/v1/notifications")
    assert (answer.status, answer.raw) == (204, b"") and answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert "access-control-allow-origin" not in answer.headers


def test_head_is_get_without_the_body(web):
    one = web.send(valid(send_at="2999-01-01T00:00:00Z"))
    whole, head = web.get(f"/v1/notifications/{one}"), web.ask("HEAD", f"/v1/notifications/{one}")
    assert head.status == 200 and head.raw == b""
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.raw))
    assert web.ask("HEAD", "/v1/notifications/nonsense").status == 404
    raw = web.raw(f"HEAD /v1/events HTTP/1.1\r\nHost: h\r\nX-API-Key: {web.key}\r\n\r\n".encode(), 2)  # Of a stream too
    assert raw.startswith(b"HTTP/1.1 200 ") and b"text/event-stream" in raw
    assert raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == 1


def test_401_says_how_to_come_in_and_comes_before_the_body_is_read(mesh, web):
    answer = assert_problem(web.as_key(None).post("/v1/notifications", raw=b"{", headers={"Content-Type": "x/y"}), 401)
    assert "www-authenticate" in answer.headers
    head = b"POST /v1/notifications HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    assert statuses(web.raw(head, 2)) == [401]


@pytest.mark.parametrize("fault", [{"headers": {"Content-Type": "text/plain"}, "raw": b"{}"},
                                   {"raw": b"{not json", "headers": {"Content-Type": "application/json"}}])
def test_a_wrong_key_is_told_before_a_wrong_body(web, fault):
    wrong = web.as_key(web.key[:33] + "f" * 32)
    assert_problem(wrong.post("/v1/notifications", **fault), 401)
    assert web.post("/v1/notifications", **fault).status in (400, 415)


def test_a_missing_scope_is_told_before_a_wrong_body(mesh):
    reader = mesh.web(mesh.service("reader", scopes=["notifications:read"]))
    assert_problem(reader.post("/v1/notifications", raw=b"{}", headers={"Content-Type": "text/plain"}), 403)


@pytest.mark.parametrize("kind, status", [("application/json", 202), ("application/json; charset=utf-8", 202),
                                          ('Application/JSON;charset="UTF-8"', 202), ("text/json", 415),
                                          ("application/json; charset=latin1", 415), ("application/jsonp", 415),
                                          ("application/x-www-form-urlencoded", 415),
                                          ("application/merge-patch+json", 415)])
def test_a_body_is_json_in_utf8_or_415(web, kind, status):
    answer = web.post("/v1/notifications", raw=json.dumps(valid()).encode(), headers={"Content-Type": kind})
    assert answer.status == status, answer


def test_a_coded_body_is_415(web):
    answer = web.post("/v1/notifications", valid(), headers={"Content-Encoding": "gzip"})
    assert_problem(answer, 415)


def test_all_faults_of_a_body_are_named_at_once(web):
    answer = assert_problem(web.post("/v1/notifications", {"channel": "pigeon", "recipient": 5, "subjekt": "x"}), 422)
    assert {"/channel", "/recipient", "/subjekt"} <= {error["pointer"] for error in answer.body["errors"]}


def test_faults_of_a_query_point_at_it(web):
    answer = assert_problem(web.get("/v1/notifications?limit=201&colour=red"), 422)
    assert {error["pointer"] for error in answer.body["errors"]} == {"?limit", "?colour"}
    answer = assert_problem(web.get("/v1/notifications?limit=1&limit=2"), 422)
    assert {error["pointer"] for error in answer.body["errors"]} == {"?limit"}
    answer = assert_problem(web.post("/v1/notifications?colour=red", valid()), 422)
    assert {error["pointer"] for error in answer.body["errors"]} == {"?colour"}


def test_a_field_in_path_and_body_is_422(admin):
    service = admin.post("/v1/services", {"name": "twice"}).body["id"]
    answer = assert_problem(admin.patch(f"/v1/services/{service}", {"id": service, "description": "d"}), 422)
    assert {error["pointer"] for error in answer.body["errors"]} == {"/id"}


def test_a_bad_cursor_is_400_and_a_malformed_id_404(web):
    assert_problem(web.get("/v1/notifications?cursor=nonsense"), 400)
    for one in ["nonsense", "%00", "%ff", "%zz", "..%2f", str(uuid.uuid4())]:
        assert_problem(web.get(f"/v1/notifications/{one}"), 404)


def test_percent_signs_in_a_query_are_resolved(web):
    web.send(valid(send_at="2999-01-01T00:00:00Z"))
    answer = web.get("/v1/notifications?created_after=2020-01-01T00%3A00%3A00%2B01%3A00&limit=%31")
    assert answer.status == 200 and len(answer.body["items"]) == 1, answer
    assert_problem(web.get("/v1/notifications?limit=%"), 400)


def test_a_correlation_id_is_kept_or_replaced(web):
    given = web.post("/v1/notifications", valid(), headers={"X-Correlation-ID": "order-77.x_Y"})
    assert given.headers["x-correlation-id"] == "order-77.x_Y"
    assert web.get(f"/v1/notifications/{given.body['id']}").body["correlation_id"] == "order-77.x_Y"
    for bad in ["with space", "x" * 129, "a/b", ""]:
        made = web.get("/v1/notifications?limit=1", headers={"X-Correlation-ID": bad}).headers["x-correlation-id"]
        assert re.fullmatch("[0-9a-f]{32}", made), made


def test_the_same_key_gives_the_first_answer_again(web):
    key = str(uuid.uuid4())
    first = web.post("/v1/notifications", valid(9), headers={"Idempotency-Key": key})
    again = web.post("/v1/notifications", valid(9), headers={"Idempotency-Key": f'"{key}"'})
    assert again.body == first.body and again.headers["idempotent-replayed"] == "true"
    assert_problem(web.post("/v1/notifications", valid(10), headers={"Idempotency-Key": key}), 422)
    assert_problem(web.post("/v1/notifications", valid(9), headers={"Idempotency-Key": "k" * 300}), 400)


def test_numbers_and_texts_come_back_as_they_went(web):
    metadata = {"int": -9007199254740993, "big": 9223372036854775807, "real": 129.95, "tiny": 1e-300, "third": 1 / 3,
                "one": 1.0, "text": "ж\u2028\"\\/\n\t\u007f😀", "deep": [[[]], {}], "yes": True, "none": None}
    one = web.send(valid(metadata=metadata))
    assert web.get(f"/v1/notifications/{one}").body["metadata"] == metadata


def test_an_object_of_ones_own_is_8_deep_at_most(web):
    def nested(depth):
        return {"a": nested(depth - 1) if depth > 1 else 1}
    one = web.send(valid(metadata=nested(8)))
    assert web.get(f"/v1/notifications/{one}").body["metadata"] == nested(8)
    assert web.get("/v1/notifications?limit=1").body["items"][0]["metadata"] == nested(8)
    answer = assert_problem(web.post("/v1/notifications", valid(metadata=nested(9))), 422)
    assert [error["pointer"] for error in answer.body["errors"]] == ["/metadata"]


def test_pages_of_other_sites_may_ask_only_if_they_are_named(web):
    there = {"Origin": "https://app.test", "Access-Control-Request-Method": "POST"}
    answer = web.ask("OPTIONS", "/v1/notifications", headers=there)
    assert answer.headers["access-control-allow-origin"] == "https://app.test"
    assert "POST" in answer.headers["access-control-allow-methods"]
    answer = web.get("/health", headers={"Origin": "https://app.test"})
    assert answer.headers["access-control-allow-origin"] == "https://app.test" and answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in web.get("/health", headers={"Origin": "https://evil.test"}).headers


def test_health_is_open(mesh, web):
    nobody = web.as_key(None)
    assert nobody.get("/health").body == {"status": "ok"}
    assert nobody.get("/health/ready").status == 200


def test_what_a_browser_would_guess_is_switched_off(web):
    answer = web.get("/v1/notifications?limit=1")
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- Connections

def test_a_connection_is_kept_for_the_next_request(web):
    web.get("/health")
    socket = web.connection.sock
    for path in ["/nothing", "/health", "/v1/notifications?limit=1"]:
        web.get(path)
        assert web.connection.sock is socket


def test_requests_that_follow_each_other_are_answered_in_order(web):
    one = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    end = b"GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    assert statuses(web.raw(one * 5 + end)) == [200] * 5 + [404]


def test_a_chunked_body_is_taken(web):
    body = json.dumps(valid()).encode()
    answer = web.post("/v1/notifications", raw=iter([body[:10], body[10:]]), headers={"Content-Type": "application/json"})
    assert answer.status == 202, answer


def test_an_expectation_is_met(web):
    body = json.dumps(valid()).encode()
    with web.open() as connection:
        connection.settimeout(5)
        connection.sendall(b"POST /v1/notifications HTTP/1.1\r\nHost: h\r\nX-API-Key: %s\r\nExpect: 100-continue\r\n"
                           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (web.key.encode(), len(body)))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 202 ")


def test_many_at_once_share_turns(mesh, web):
    def turns():
        return next(metric["count"] for metric in mesh["bridge-1"].status()["metrics"]
                    if metric["name"] == "nmesh_turns_total")
    before = turns()

    def send(n):
        with_key = web.as_key(web.key)
        done = [with_key.send(valid(n)) for _ in range(10)]
        with_key.close()
        return done
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids = [one for part in pool.map(send, range(16)) for one in part]
    assert len(set(ids)) == 160
    assert turns() - before < 2 * 160


def test_status_tells_where_it_listens_and_what_is_open(mesh, web):
    web.get("/health")
    status = mesh["bridge-1"].status()
    assert status["http"].startswith("http://127.0.0.1:") and status["connections"] >= 1
    assert status["requests"] > 0 and status["requests_open"] == 0


# -- Events

def test_the_events_of_a_notification_end_with_it(web):
    one = web.send(valid(send_at="2999-01-01T00:00:00Z"))
    stream = web.stream(f"/v1/notifications/{one}/events")
    assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
    threading.Timer(0.3, lambda: web.as_key(web.key).post(f"/v1/notifications/{one}/cancel")).start()
    events = list(stream)
    assert [event["event"] for event in events][-1] == "notification.cancelled"
    assert events[-1]["data"]["id"] == one and events[-1]["data"]["status"] == "cancelled"
    assert set(events[-1]["data"]) == {"id", "status", "event", "at", "detail"}
    assert stream.comments < len(events) + 3

    again = web.stream(f"/v1/notifications/{one}/events", {"Last-Event-ID": events[0]["id"]})
    assert [event["id"] for event in again] == [event["id"] for event in events[1:]]


def test_events_come_as_they_happen_and_go_on_after_the_last(web):
    stream = web.stream("/v1/events")
    seen = iter(stream)
    one = web.send(valid())
    first = next(seen)
    assert first["data"]["id"] == one
    stream.close()
    web.wait_for(one, "sent")
    again = web.stream("/v1/events", {"Last-Event-ID": first["id"]})
    names = []
    for event in again:
        names.append(event["event"])
        if names[-1] == "notification.sent":
            break
    assert "notification.queued" in names
    again.close()
    assert web.stream("/v1/events").status == 200
    assert Web(f"http://{web.host}:{web.port}").stream("/v1/events").status == 401


def test_a_stream_that_was_left_is_forgotten(mesh, web):
    streams = [web.stream("/v1/events") for _ in range(3)]
    until(lambda: mesh["bridge-1"].status()["requests_open"] >= 3, "three streams")
    for stream in streams:
        stream.close()
    web.send(valid())
    until(lambda: mesh["bridge-1"].status()["requests_open"] == 0, "no stream", 20)
