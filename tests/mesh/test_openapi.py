"""The OpenAPI document and the page that shows it: served, valid, complete, and without a word to anybody else."""

import html.parser
import json
import re
import shutil
import subprocess

import pytest

from harness.mesh import ROOT, build_folder, one_of_each
from harness.contract import Contract

WEB = ROOT / "tests/web"


@pytest.fixture(scope="module")
def web(make_module_mesh):
    return make_module_mesh(one_of_each(bridge=1)).web(None)


@pytest.fixture(scope="module")
def document(web):
    return web.get("/openapi.json").body


def refs(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def test_the_document_is_the_one_that_nctl_prints(document):
    printed = subprocess.run([build_folder() / "tools/nctl/nctl", "openapi", "--json"], capture_output=True, check=True).stdout
    assert json.loads(printed) == document


def test_a_public_validator_finds_nothing_wrong(document, tmp_path):
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("npm and node are not installed: the document is not held against a public validator")
    for name in ("package.json", "package-lock.json", "validate.mjs"):
        shutil.copy(WEB / name, tmp_path)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    brought = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"],
                             cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if brought.returncode:
        pytest.skip(f"npm could not bring in the validator (no network?): {brought.stderr[-300:]}")
    judged = subprocess.run(["node", "validate.mjs", "openapi.json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "OpenAPI 3.1, valid" in judged.stdout


def test_every_reference_leads_somewhere_and_every_component_is_used(document):
    named = set(refs(document))
    for ref in named:
        found = document
        for part in ref[2:].split("/"):
            assert part in found, ref
            found = found[part]
    for kind in ("schemas", "parameters", "headers", "responses"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}" in named, f"nothing refers to {kind}/{name}"


def test_every_operation_is_told_whole(document):
    ids = [one.id for one in Contract(document).operations]
    assert len(ids) == len(set(ids)) > 30
    for operation in Contract(document).operations:
        tree = operation.tree
        assert tree["summary"] and tree["tags"] and tree["responses"], operation
        assert {one["name"] for one in operation.named("path")} == set(re.findall(r"\{(\w+)\}", operation.path)), operation
        assert not tree["security"] or {401, 403, 429} <= set(operation.responses), operation
        legacy = not operation.path.startswith(("/v1/", "/health", "/metrics", "/openapi.json", "/docs"))
        assert tree.get("deprecated", False) == legacy == (tree["tags"] == ["legacy"]), operation
        assert any(status < 300 for status in operation.responses), operation
    tags = {one["name"] for one in document["tags"]}
    assert all(set(one.tree["tags"]) == set(one.tree["tags"]) & tags for one in Contract(document).operations)


def test_what_is_asked_for_is_closed_and_has_limits(document):
    schemas = document["components"]["schemas"]
    asked = {one.body["$ref"].rsplit("/", 1)[1] for one in Contract(document).operations if one.body}
    for name in asked:
        assert schemas[name]["additionalProperties"] is False, name
        for field, schema in schemas[name]["properties"].items():
            if schema.get("type") == "string" and "format" not in schema:
                assert schema["maxLength"], f"{name}.{field}"
            if schema.get("type") == "integer":
                assert schema["maximum"], f"{name}.{field}"
    request = schemas["Request"]["properties"]
    assert request["type"]["deprecated"] and request["template_code"]["deprecated"]
    assert request["subject"]["maxLength"] == 998 and "998 bytes" in request["subject"]["description"]
    assert schemas["Batch"]["properties"]["notifications"]["maxItems"] == 1000


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_documents_are_known_by_their_tag(web, path):
    whole = web.get(path)
    assert whole.status == 200 and whole.headers["cache-control"] == "no-cache"
    again = web.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status, again.raw) == (304, b"")
    assert web.get(path, headers={"If-None-Match": '"other"'}).raw == whole.raw
    head = web.ask("HEAD", path)
    assert (head.status, head.raw, head.headers["content-length"]) == (200, b"", str(len(whole.raw)))
    assert web.get(path + "?x=1").body["errors"] == [{"pointer": "?x", "detail": "is not known here"}]


class Outside(html.parser.HTMLParser):
    """What a page would fetch from somewhere."""

    def __init__(self):
        super().__init__()
        self.fetched = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "data", "action") or (name == "href" and tag == "link"):
                self.fetched.append(value)


def test_the_page_fetches_nothing_but_the_document(web):
    page = web.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "unsafe-inline" not in policy.get("script-src", "") and "unsafe-eval" not in policy.get("script-src", "")
    assert not [words for words in policy.values() if "http" in words or "*" in words]
    parser = Outside()
    parser.feed(page.raw.decode())
    assert not parser.fetched


def test_a_browser_shows_the_page_and_asks_nobody_else(web, tmp_path):
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("chromium is not installed: the page is not looked at in a browser")
    page = web.get("/docs").raw
    if b"SwaggerUIBundle" not in page:
        pytest.skip("this build has no renderer (no npm, or no network): /docs says that it is missing")
    log = tmp_path / "net.json"
    shown = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                            "--disable-background-networking", "--disable-component-update", "--no-first-run",
                            f"--log-net-log={log}", "--virtual-time-budget=8000", "--dump-dom",
                            f"http://{web.host}:{web.port}/docs"], capture_output=True, text=True, timeout=90)
    assert "Send a notification" in shown.stdout, shown.stderr[-2000:]
    assert "/v1/dead-letters" in shown.stdout
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text()))
    ours = {url for url in asked if url.startswith(f"http://{web.host}:{web.port}/")}
    assert f"http://{web.host}:{web.port}/openapi.json" in ours
    page_asked = {url for url in asked - ours if "google" not in url and "gvt1" not in url}   # The browser's own
    assert not page_asked, page_asked
