"""Requests made from the OpenAPI document, right ones and every kind of wrong one, get no answer that it does not foresee.

NM_REQUESTS says how many, NM_SEED which; with NM_SHRINK set, Hypothesis looks for the smallest request that fails.
"""

import copy
import http.client
import itertools
import json
import os
import string
import urllib.parse

import pytest

from harness.mesh import ADMIN_SERVICE, one_of_each, smtp
from harness.web import Web, WebAnswer

hypothesis = pytest.importorskip("hypothesis", reason="Hypothesis is not installed (Debian: python3-hypothesis)")
pytest.importorskip("jsonschema", reason="jsonschema is not installed (Debian: python3-jsonschema)")

from hypothesis import strategies as st     # noqa: E402

from harness.contract import Contract       # noqa: E402

REQUESTS = int(os.environ.get("NM_REQUESTS", 700))
SEED = int(os.environ.get("NM_SEED", 20261126))
LONG = 2000     # Longer texts say nothing new
PHASES = [hypothesis.Phase.generate] + ([hypothesis.Phase.shrink] if "NM_SHRINK" in os.environ else [])

ADDRESSES = itertools.count(1)

GOOD = {
    "notifications_create": {"channel": "email", "recipient": "p@t.test", "subject": "s", "content": "c"},
    "notifications_batch": {"notifications": [{"channel": "email", "recipient": "q@t.test", "content": "c"}] * 2},
    "notifications_broadcast": {"user_ids": ["0199b2c4-5d6e-7f80-8123-456789abcdef"], "channel": "email", "content": "c"},
    "dead_letters_replay_many": {"dry_run": True, "filter": {"channel": "email"}},
    "services_create": {"name": "made", "limits": {"per_minute": 60000}},
    "services_patch": {"description": None, "retention_days": 7},
    "keys_create": {"name": "made", "scopes": ["notifications:read"]},
    "providers_create": {"name": "made", "kind": "sandbox", "config": {}},
    "providers_patch": {"priority": 7},
    "users_create": {"email": "made@t.test", "password": "correct horse battery"},
    "auth_login": {"email": "made@t.test", "password": "correct horse battery"},
}


@pytest.fixture(scope="module")
def mesh(make_module_mesh, sink):
    return make_module_mesh(one_of_each(bridge=1), providers={"sink": smtp(sink.port)},
                            settings={"http": {"proxies": "127.0.0.1"},
                                      "email": {"retries": 1, "retry_delays": "100ms 200ms 400ms"}})


@pytest.fixture(scope="module")
def world(mesh):
    """What there is to be named in paths and queries, and who may ask."""
    admin = mesh.web()
    tenant = admin.post("/v1/services", {"name": "tenant"}).body["id"]
    victim = admin.post("/v1/services", {"name": "victim"}).body["id"]
    key = admin.post(f"/v1/services/{tenant}/keys", {}).body["key"]
    victim_key = admin.post(f"/v1/services/{victim}/keys", {}).body["key_id"]
    assert admin.post("/v1/providers", {"name": "victim", "kind": "sandbox"}).status == 201
    shop = mesh.web(key)
    notes = [shop.send({"channel": "email", "recipient": "a@t.test", "subject": "s", "content": str(n)}) for n in range(3)]
    failed = shop.send({"channel": "email", "recipient": "u1+550@t.test", "subject": "s", "content": "c"})
    shop.wait_for(failed, "failed")
    letters = [one["id"] for one in shop.get("/v1/dead-letters").body["items"]]
    names = [*notes, failed, *letters, victim, victim_key, "victim", ADMIN_SERVICE]
    document = admin.get("/openapi.json").body
    return {"contract": Contract(document), "names": names, "keys": {"admin": mesh.admin_key, "tenant": key},
            "url": f"http://{admin.host}:{admin.port}"}


# -- Values out of schemas

TEXTS = st.text(max_size=40) | st.sampled_from(["", " ", "\r\nX-Evil: 1", "\u0000", "\u2028", "ü😀", "%00", "../..", "null", "0"])
JUNK = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | \
    st.lists(st.integers(), max_size=3) | st.dictionaries(TEXTS, st.integers(), max_size=3)


def from_schema(contract, schema, names, depth=0):
    schema = contract.resolve(schema)
    if depth > 5:
        return st.none()
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([from_schema(contract, one, names, depth + 1) for one in schema[several]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "null")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return st.one_of([from_kind(contract, kind, schema, names, depth) for kind in kinds])


def from_kind(contract, kind, schema, names, depth):
    if kind == "object":
        return from_object(contract, schema, names, depth)
    if kind == "array":
        items = from_schema(contract, schema["items"], names, depth + 1) if "items" in schema else JUNK
        return st.lists(items, max_size=min(schema.get("maxItems", 4), 4))
    if kind == "string":
        return from_string(schema, names)
    if kind == "integer":
        most = schema.get("maximum", 2**63 - 1)
        return st.integers(schema.get("minimum", 0), most) | st.sampled_from([schema.get("minimum", 0), most])
    return st.booleans() if kind == "boolean" else st.none()


def from_object(contract, schema, names, depth):
    properties = {name: from_schema(contract, inner, names, depth + 1) for name, inner in schema.get("properties", {}).items()}
    if not properties:
        return st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=8), JUNK, max_size=3)
    required = set(schema.get("required", []))
    must = {name: made for name, made in properties.items() if name in required}
    may = {name: made for name, made in properties.items() if name not in required}
    #  A few of them: all at once would always be at odds with each other
    return st.sets(st.sampled_from(sorted(may)), max_size=4).flatmap(
        lambda some: st.fixed_dictionaries({**must, **{name: may[name] for name in sorted(some)}})) if may \
        else st.fixed_dictionaries(must)


def from_string(schema, names):
    kind = schema.get("format")
    if kind == "uuid":
        return st.uuids().map(str) | st.sampled_from(names)
    if kind == "date-time":
        return st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(schema["examples"])
    if "pattern" in schema:
        return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7e), max_size=min(schema.get("maxLength", LONG), 60)) | \
            st.sampled_from(schema.get("examples", ["x"]))
    return st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]),
                   max_size=min(schema.get("maxLength", LONG), 60))


# -- Ways to get it wrong: each takes the request, and draws what it needs

def wrong_value(draw, request):
    if isinstance(request["body"], dict) and request["body"]:
        name = draw(st.sampled_from(sorted(request["body"])))
        request["body"][name] = draw(JUNK)


def left_out(draw, request):
    if isinstance(request["body"], dict) and request["body"]:
        del request["body"][draw(st.sampled_from(sorted(request["body"])))]


def one_more(draw, request):
    if isinstance(request["body"], dict):
        request["body"][draw(TEXTS.filter(bool))] = draw(JUNK)


def too_long(draw, request):
    if isinstance(request["body"], dict) and request["body"]:
        request["body"][draw(st.sampled_from(sorted(request["body"])))] = "ü" * draw(st.sampled_from([33, 500, 999, 5000, 70000]))


def too_large(draw, request):
    if isinstance(request["body"], dict) and request["body"]:
        request["body"][draw(st.sampled_from(sorted(request["body"])))] = \
            draw(st.sampled_from([-1, 2**31, 2**32, 2**53, 2**63, 2**64, 1e300, 0.5]))


def other_body(draw, request):
    request["body"] = draw(JUNK)


def no_json(draw, request):
    request["raw"] = draw(st.binary(max_size=30) | st.sampled_from(
        [b"{", b'{"a":1,"a":2}', b"[" * 40 + b"]" * 40, b'{"a":"\xff"}', b"{}x", b'{"a":1e999}', b'"\\ud800"', b"\xef\xbb\xbf{}"]))


def other_type(draw, request):
    request["headers"]["Content-Type"] = draw(st.sampled_from(
        ["text/plain", "application/xml", "application/json; charset=latin1", "", "multipart/form-data", "application/problem+json"]))


def other_method(draw, request):
    request["method"] = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"]))


def other_query(draw, request):
    request["query"] += draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))


def broken_query(draw, request):
    request["tail"] = draw(st.sampled_from(["?%", "?limit=%zz", "?limit=1&limit=2", "?=", "?&&", "?limit", "?limit=-1", "?cursor=%00",
                                            "?status=nonsense", "?" + "a=1&" * 200]))


def other_path(draw, request):
    request["path"] += draw(st.sampled_from(["/", "//", "/x", "%2f", "%00", "/..", ";a=b", "%"]))


def other_name(draw, request):
    for name in request["names"]:
        request["names"][name] = draw(TEXTS.filter(bool))


def strange_header(draw, request):
    name = draw(st.sampled_from(["Idempotency-Key", "X-Correlation-ID", "traceparent", "Last-Event-ID", "X-API-Key", "If-None-Match",
                                 "Authorization", "Accept", "Range", "Content-Encoding", "Origin", "X-Forwarded-For"]))
    request["headers"][name] = draw(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7e), max_size=300))


def wrong_credentials(draw, request):
    request["who"] = draw(st.sampled_from(["none", "garbage", "foreign", "bearer"]))


WRONG = [wrong_value, left_out, one_more, too_long, too_large, other_body, no_json, other_type, other_method, other_query,
         broken_query, other_path, other_name, strange_header, wrong_credentials]


@st.composite
def requests(draw, world):
    contract, names = world["contract"], world["names"]
    operation = draw(st.sampled_from(contract.operations))
    base = operation.id.rsplit("_", 1)[0] if operation.id[-1].isdigit() else operation.id
    body = None
    if operation.body is not None:
        good = GOOD.get(base)
        body = copy.deepcopy(good) if good is not None and draw(st.booleans()) else \
            draw(from_schema(contract, operation.body, names))
        if isinstance(body, dict) and body.get("name") == "made":
            body["name"] = f"made-{draw(st.integers(0, 10**9))}"
    request = {"method": operation.method, "path": operation.path, "tail": "", "body": body, "raw": None, "headers": {},
               "names": {one["name"]: draw(st.sampled_from(names)) for one in operation.named("path")},
               "query": [(one["name"], draw(from_schema(contract, one["schema"], names))) for one in operation.named("query")
                         if one["required"] or draw(st.integers(0, 3)) == 0],
               "who": draw(st.sampled_from(["admin", "tenant"])), "streams": operation.streams}
    if draw(st.integers(0, 4)) == 0:
        request["headers"]["Idempotency-Key"] = draw(st.sampled_from(["k1", "k2", '"k1"']))
    for wrong in draw(st.lists(st.sampled_from(WRONG), max_size=3)):
        wrong(draw, request)
    return request


# -- Asking

def credentials(world, request, headers):
    kind = request["who"]
    #  From everywhere, so that no address is locked out for the rest of the run
    number = next(ADDRESSES)
    headers.setdefault("X-Forwarded-For", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    if kind in world["keys"]:
        headers.setdefault("X-API-Key", world["keys"][kind])
    elif kind == "garbage":
        headers.setdefault("X-API-Key", "garbage")
    elif kind == "foreign":
        headers.setdefault("X-API-Key", "0199b2c45d6e7f808123456789abcdef-" + "0" * 32)
    elif kind == "bearer":
        headers.setdefault("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def send(world, request):
    path = request["path"]
    for name, value in request["names"].items():
        path = path.replace("{" + name + "}", urllib.parse.quote(value.encode("utf-8", "surrogatepass"), safe=""))
    query = urllib.parse.urlencode([(name, as_text(value).encode("utf-8", "surrogatepass")) for name, value in request["query"]])
    target = path + (request["tail"] or ("?" + query if query else ""))
    headers = dict(request["headers"])
    credentials(world, request, headers)
    raw = request["raw"]
    if raw is None and request["body"] is not None:
        raw = json.dumps(request["body"]).encode()
    if raw is not None:
        headers.setdefault("Content-Type", "application/json")
    parts = urllib.parse.urlsplit(world["url"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request(request["method"], target, raw, headers)
        response = connection.getresponse()
        stream = response.status == 200 and response.getheader("content-type", "").startswith("text/event-stream")
        return path, WebAnswer(response.status, response.getheaders(), b"" if stream else response.read())
    finally:
        connection.close()


def test_no_request_gets_an_answer_that_the_document_does_not_foresee(mesh, world, capsys):
    seen = {}

    @hypothesis.seed(SEED)
    @hypothesis.settings(max_examples=REQUESTS, deadline=None, database=None, print_blob=False, phases=PHASES,
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(requests(world))
    def ask(request):
        path, answer = send(world, request)
        operation = world["contract"].check(request["method"], path, answer)
        seen[answer.status] = seen.get(answer.status, 0) + 1
        return operation

    with capsys.disabled():
        print(f"\n{REQUESTS} requests of seed {SEED}")
    ask()
    with capsys.disabled():
        print("statuses:", dict(sorted(seen.items())))
    assert sum(count for status, count in seen.items() if status < 300) > REQUESTS // 20
    assert {400, 401, 403, 404, 405, 415, 422} <= set(seen)
    assert seen.get(429, 0) < REQUESTS // 20, "most were locked out, and say nothing"
    #  It still works as before
    shop = Web(world["url"], world["keys"]["admin"])
    assert shop.get("/health").status == 200
    shop.close()
