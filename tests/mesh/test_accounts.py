"""Accounts over HTTP: keys that take each other's place, people who sign in, and those who try what is not theirs."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import pytest

from harness.mesh import ADMIN_SERVICE, one_of_each
from harness.waiting import until, within

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def mesh(make_module_mesh):
    return make_module_mesh(one_of_each(bridge=1), settings={"http": {"proxies": "127.0.0.1"}})


@pytest.fixture(scope="module")
def shop(mesh):
    mesh.service("shop")
    return mesh.services["shop"]


@pytest.fixture
def admin(mesh):
    return mesh.web()


@pytest.fixture
def web(mesh, shop):
    return mesh.web(mesh.service("shop"))


def bearer(mesh, token, **more):
    return mesh.web(None, headers={"Authorization": f"Bearer {token}"}, **more)


def make_user(web, **more):
    email = f"{uuid.uuid4().hex[:12]}@example.org"
    answer = web.post("/v1/users", {"email": email, "password": PASSWORD, "name": "Ada", **more})
    assert answer.status == 201, answer
    return answer.body


def login(mesh, email, password=PASSWORD, address=None, **more):
    return mesh.web(None).post("/v1/auth/login", {"email": email, "password": password, **more},
                               headers={"X-Forwarded-For": address} if address else {})


def sign_in(mesh, email, **more):
    answer = login(mesh, email, **more)
    assert answer.status == 200, answer
    assert answer.body["token_type"] == "Bearer" and answer.body["expires_in"] == 86400
    return answer.body["access_token"]


def works(mesh, credentials):
    return mesh.web(credentials).get("/v1/notifications?limit=1").status


# -- Keys

def test_a_key_is_rotated_with_an_overlap_and_revoked(mesh, admin, shop):
    made = admin.post(f"/v1/services/{shop}/keys", {"name": "old", "scopes": ["notifications:read"]})
    assert made.status == 201 and made.body["expires_at"] is None, made
    rotated = admin.post(f"/v1/services/{shop}/keys/{made.body['key_id']}/rotate", {"overlap_seconds": 1})
    assert rotated.status == 201 and rotated.body["name"] == "old" and rotated.body["scopes"] == ["notifications:read"]
    assert rotated.body["key_id"] != made.body["key_id"]
    assert works(mesh, rotated.body["key"]) == 200
    until(lambda: works(mesh, made.body["key"]) == 401, "the old key ends", 5)
    listed = {key["key_id"]: key for key in admin.get(f"/v1/services/{shop}/keys").body["items"]}
    assert listed[made.body["key_id"]]["expires_at"] and "key" not in listed[rotated.body["key_id"]]
    assert admin.delete(f"/v1/services/{shop}/keys/{rotated.body['key_id']}").status == 204
    assert works(mesh, rotated.body["key"]) == 401
    assert admin.post(f"/v1/services/{shop}/keys/{uuid.uuid4()}/rotate", {}).status == 404
    past = admin.post(f"/v1/services/{shop}/keys", {"expires_at": "2020-01-01T00:00:00Z"})
    assert past.status == 422 and past.body["errors"][0]["pointer"] == "/expires_at", past


# -- People

def test_a_person_signs_in_sees_what_is_its_own_and_signs_out(mesh, web, admin):
    ada, bob = make_user(web), make_user(web)
    token = sign_in(mesh, ada["email"].upper())
    own = bearer(mesh, token)
    assert own.get(f"/v1/users/{ada['id']}").body["email"] == ada["email"]
    assert own.get(f"/v1/users/{bob['id']}").status == 404
    assert own.get("/v1/users").status == 403
    assert own.get("/v1/services").status == 403
    assert own.post("/v1/notifications", {"channel": "email", "recipient": "a@b.test", "content": "x"}).status == 403
    assert own.get("/v1/notifications").body["items"] == []
    mine = web.post("/v1/notifications", {"channel": "email", "recipient": "a@b.test", "subject": "s", "content": "x"})
    assert own.get(f"/v1/notifications/{mine.body['id']}").status == 404, "it is not addressed to this user"
    changed = own.patch(f"/v1/users/{ada['id']}", {"timezone": "Europe/Vienna", "name": None})
    assert changed.status == 200 and changed.body["timezone"] == "Europe/Vienna" and changed.body["name"] is None
    assert own.patch(f"/v1/users/{ada['id']}", {"roles": ["admin"]}).status == 422
    assert own.post("/v1/auth/logout").status == 204
    assert own.get(f"/v1/users/{ada['id']}").status == 401
    assert web.delete(f"/v1/users/{bob['id']}").status == 204
    assert login(mesh, bob["email"]).status == 401


def test_an_admin_signs_in_and_may_do_all(mesh, admin, web):
    root = admin.post("/v1/users", {"email": "root@example.org", "password": PASSWORD, "roles": ["admin"]})
    assert root.status == 201 and root.body["service_id"] == ADMIN_SERVICE, root
    own = bearer(mesh, sign_in(mesh, "root@example.org", service="admin"))
    assert own.post("/v1/services", {"name": "made-by-root"}).status == 201
    assert web.post("/v1/users", {"email": "x@example.org", "roles": ["admin"]}).status == 422
    again = own.patch(f"/v1/users/{root.body['id']}", {"roles": ["user"]})
    assert again.status == 200, again
    assert own.get("/v1/services").status == 401, "its roles were changed: it signs in anew"


def test_users_are_listed_page_by_page_and_are_their_services_own(mesh, web, admin):
    made = [make_user(web)["id"] for _ in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = web.get(f"/v1/users?limit=2{'&cursor=' + cursor if cursor else ''}")
        assert page.status == 200, page
        seen += [user["id"] for user in page.body["items"]]
        cursor = page.body["next_cursor"]
    assert seen[:5] == made[::-1] and len(seen) == len(set(seen))
    other = mesh.web(mesh.service("other"))
    assert other.get("/v1/users").body["items"] == []
    assert other.get(f"/v1/users/{made[0]}").status == 404
    assert admin.get(f"/v1/users?service_id={mesh.services['shop']}&limit=1").body["items"][0]["id"] == made[-1]
    bad = web.post("/v1/users", {"email": "a b", "phone": "1", "timezone": "-", "colour": "red", "password": "short"})
    assert bad.status == 422, bad
    assert {fault["pointer"] for fault in bad.body["errors"]} >= {"/colour"}


# -- The user actor is away

def test_without_the_user_actor_keys_and_tokens_work_and_signing_in_is_503(mesh, web):
    ada = make_user(web)
    own = bearer(mesh, sign_in(mesh, ada["email"]))
    mesh["user-1"].kill()
    try:
        assert own.get("/v1/notifications").status == 200
        accepted = web.post("/v1/notifications", {"channel": "email", "recipient": "a@b.test", "content": "x",
                                                  "subject": "s"})
        assert accepted.status == 202, accepted
        answer = login(mesh, ada["email"])
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
        assert own.post("/v1/auth/logout").status == 503
        mesh["gateway-1"].restart()
        assert until(lambda: (a := own.get("/v1/notifications")).status == 200 and a, "a gateway starts alone", 10)
    finally:
        mesh["user-1"].start()
    until(lambda: login(mesh, ada["email"]).status == 200, "people sign in again", 10)


# -- Those who try

def encode(value):
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def forge(header, payload, secret=b""):
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def forgeries(token):
    """name -> a token that is not ours, made from one that is."""
    head, body, signature = token.split(".")
    header, payload = decode(head), decode(body)
    hs256 = {**header, "alg": "HS256"}
    twice = json.dumps(payload)[:-1].encode() + b', "sub": "x"}'
    return {
        "alg none": f"{encode({**header, 'alg': 'none'})}.{body}.",
        "alg None with a signature": f"{encode({**header, 'alg': 'None'})}.{body}.{signature}",
        "an empty signature": f"{head}.{body}.",
        "no signature": f"{head}.{body}",
        "HS256 with the key id for a secret": forge(hs256, payload, header["kid"].encode()),
        "HS256 with an empty secret": forge(hs256, payload),
        "another key": forge({**hs256, "kid": str(uuid.uuid4())}, payload, b"secret"),
        "a kid that is a path": f"{encode({**header, 'kid': '../../../../dev/null'})}.{body}.{signature}",
        "a kid that is SQL": f"{encode({**header, 'kid': chr(39) + ' OR 1=1 --'})}.{body}.{signature}",
        "a key in the header": f"{encode({**header, 'jwk': {'kty': 'OKP', 'crv': 'Ed25519', 'x': 'AA'}})}.{body}.{signature}",
        "a URL of keys": f"{encode({**header, 'jku': 'http://127.0.0.1:1/keys'})}.{body}.{signature}",
        "crit": f"{encode({**header, 'crit': ['exp']})}.{body}.{signature}",
        "more roles": f"{head}.{encode({**payload, 'roles': ['admin']})}.{signature}",
        "a later end": f"{head}.{encode({**payload, 'exp': payload['exp'] + 3600})}.{signature}",
        "another issuer": forge(hs256, {**payload, "iss": "evil"}, b"x"),
        "claims twice": f"{head}.{encode(twice)}.{signature}",
        "one signed for another text": f"{head}.{body}.{encode(bytes(64))}",
        "padding": f"{head}.{body}.{signature}==",
        "four parts": f"{token}.{signature}",
        "no text": "",
        "only dots": "..",
    }


def test_forged_tokens_are_401_and_all_in_the_same_words(mesh, web):
    ada = make_user(web)
    token = sign_in(mesh, ada["email"])
    answers = {}
    for number, (name, forged) in enumerate(forgeries(token).items()):
        # Each from an address of its own, or the 21st would be locked out
        answers[name] = mesh.web(None).get(f"/v1/users/{ada['id']}", headers={
            "Authorization": f"Bearer {forged}", "X-Forwarded-For": f"198.51.100.{number}"})
    assert {name: answer.status for name, answer in answers.items() if answer.status != 401} == {}
    assert len({answer.body["detail"] for answer in answers.values()}) == 1
    assert all("www-authenticate" in answer.headers for answer in answers.values())
    huge = mesh.web(None).get("/v1/notifications", headers={"Authorization": "Bearer " + "A" * 9000})
    assert huge.status in (401, 431), huge
    assert bearer(mesh, token).get(f"/v1/users/{ada['id']}").status == 200


def test_guessing_keys_locks_the_guesser_out_and_nobody_else(mesh, web, shop):
    key = web.key
    wrong = f"{key[:33]}{'0' * 32}"

    def ask(with_key, address):
        return mesh.web(with_key).get("/v1/notifications?limit=1", headers={"X-Forwarded-For": address})

    assert {ask(wrong, "203.0.113.5").status for _ in range(20)} == {401}
    locked = ask(key, "203.0.113.5")
    assert locked.status == 429 and 7000 < int(locked.headers["retry-after"]) <= 7200, locked
    assert ask(key, "203.0.113.6").status == 200, "the tenant is not locked out"
    mesh["gateway-1"].restart()
    until(lambda: ask(key, "203.0.113.6").status == 200, "the gateway is back", 10)
    assert ask(key, "203.0.113.5").status == 429, "a restart does not forget"
    unknown = ask(f"{uuid.uuid4().hex}-{'0' * 32}", "203.0.113.7")
    mine = ask(wrong, "203.0.113.8")
    assert (unknown.status, unknown.body["detail"]) == (mine.status, mine.body["detail"]), "nothing tells a service apart"
    assert ask(None, "203.0.113.9").status == 401


def test_guessing_passwords_locks_out_too(mesh, web):
    ada = make_user(web)
    codes = [login(mesh, ada["email"], "wrong guess", address="2001:db8:5::1").status for _ in range(20)]
    assert set(codes) == {401}
    locked = login(mesh, ada["email"], address="2001:db8:5::2")
    assert locked.status == 429 and int(locked.headers["retry-after"]) > 7000, locked
    assert login(mesh, ada["email"], address="2001:db8:6::1").status == 200
    started = time.monotonic()
    assert login(mesh, "nobody@example.org", address="2001:db8:7::1").status == 401
    assert time.monotonic() - started < within(5)


def test_no_secret_is_on_a_disk_or_in_a_log(mesh, web, admin):
    ada = make_user(web)
    token = sign_in(mesh, ada["email"])
    key = admin.post(f"/v1/services/{mesh.services['shop']}/keys", {"name": "k"}).body["key"]
    secrets = [PASSWORD.encode(), ada["email"].encode(), token.encode(), key.encode(), key[33:].encode()]
    for actor in mesh.actors.values():
        text = actor.log().encode()
        for path in actor.store.iterdir():
            text += path.read_bytes()
        for secret in secrets:
            assert secret not in text, f"{actor.name} keeps {secret!r}"
