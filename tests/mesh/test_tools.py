"""nctl and the two commands, as a person types them."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness.mesh import ROOT, fast_build
from harness.waiting import until
from harness.web import Web


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tools") / "mesh"


def nctl(*arguments, code=0, text=None, env=None):
    done = subprocess.run([str(fast_build() / "tools/nctl/nctl"), *map(str, arguments)], input=text, text=True,
                          capture_output=True, timeout=60, env={**os.environ, **(env or {})}, check=False)
    assert done.returncode == code, f"nctl {arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def running(folder):
    nctl("init", folder, "--base-port", 0, "--routers", 2)
    (folder.parent / "up.txt").write_text(nctl("up", "-d", "-C", folder).stdout, encoding="utf-8")
    yield folder
    subprocess.run([str(fast_build() / "tools/nctl/nctl"), "down", "-C", str(folder)], capture_output=True, check=False)


def test_every_command_has_help():
    listed = nctl("--help").stdout
    for command in ("init up down ps top doctor map send show list tail cancel dlq replay service key provider book cert launch forget "
                    "backup restore check bench").split():
        assert command in listed
        shown = nctl(command, "--help").stdout
        assert shown.startswith(f"usage: nctl {command}") and len(shown.splitlines()) > 3


def test_pages_name_only_commands_and_options_that_there_are():
    options = {command: set(words.split())
               for command, words in re.findall(r'^ +([a-z]+)\) words="(.*)"', nctl("completion", "bash").stdout, re.M)}
    seen = 0
    for page in [ROOT / "README.md", ROOT / "deploy/README.md", *(ROOT / "docs").rglob("*.md")]:
        # As it stands in a line of code, or between backticks; what follows a | or # is no part of it.
        for command, rest in re.findall(r"(?:`|^| -- )nctl ([a-z]+)\b([^`#|\n]*)", page.read_text(encoding="utf-8"), re.M):
            assert command in options, f"{page}: nctl {command}"
            unknown = set(re.findall(r" (--[a-z-]+)", rest)) - options[command]
            assert not unknown, f"{page}: nctl {command} has no {unknown}"
            seen += 1
    assert seen > 100, "the pages were not read"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["show"], ["list", "--colour", "red"], ["dlq", "list", "x", "y", "z"],
                                       ["init", "x", "--routers", "many"]])
def test_wrong_use_ends_with_2_and_says_what_was_expected(arguments):
    done = nctl(*arguments, code=2)
    assert done.stderr.strip() and not done.stdout


def test_init_makes_a_mesh_once(running):
    assert {"mesh.zpl", "certs", "keys", "stores", "store.key", "admin.key"} <= {path.name for path in running.iterdir()}
    for secret in [running / "store.key", running / "admin.key", *(running / "keys").iterdir()]:
        assert secret.stat().st_mode & 0o077 == 0, f"{secret} can be read by others"
    before = (running / "mesh.zpl").read_bytes()
    assert "already" in nctl("init", running, code=1).stderr
    assert (running / "mesh.zpl").read_bytes() == before


def test_up_prints_a_curl_line_that_works(running):
    """A developer copies it into a shell."""
    shown = (running.parent / "up.txt").read_text(encoding="utf-8")
    assert "bridge-1 speaks HTTP at http://127.0.0.1:" in shown
    done = subprocess.run(["bash", "-c", shown[shown.index("curl "):]], capture_output=True, text=True, timeout=30, check=False)
    answer = json.loads(done.stdout)
    assert answer["status"] == "pending" and answer["id"], done


def test_ps_lists_every_actor(running):
    table = nctl("ps", "-C", running).stdout
    for name in ("gateway-1", "user-1", "router-1", "router-2", "email-1", "deadletter-1", "bridge-1"):
        assert name in table
    shown = json.loads(nctl("ps", "-C", running, "--json").stdout)
    actors = shown if isinstance(shown, list) else shown["actors"]
    assert len(actors) == 7


def send(running, *more):
    done = nctl("send", "-C", running, "--json", "--channel", "email", "--to", "someone@example.org", "--subject",
                "Hi", "--content", "It works.", *more)
    return json.loads(done.stdout.splitlines()[0])["id"]


def show(running, one):
    return json.loads(nctl("show", "-C", running, "--json", one).stdout)


def test_send_show_list_and_the_file_in_the_maildir(running):
    one = send(running)
    until(lambda: show(running, one)["status"] == "sent", "the e-mail to be sent")
    shown = nctl("show", "-C", running, one).stdout
    assert one in shown and "sent" in shown and "maildir" in shown
    assert one in nctl("list", "-C", running).stdout
    listed = [json.loads(line) for line in nctl("list", "-C", running, "--json", "--status", "sent").stdout.splitlines()]
    assert any(one in json.dumps(item) for item in listed)
    assert any(one in path.read_text() for path in (running / "maildir" / "new").iterdir())


def test_send_reads_json_lines_and_names_the_bad_ones(running):
    lines = [json.dumps({"channel": "email", "recipient": f"l{n}@example.org", "subject": "s", "content": "c"})
             for n in range(20)]
    done = nctl("send", "-C", running, "-", text="\n".join(lines) + "\n")
    assert done.stdout
    lines[3] = '{"channel": "pigeon"}'
    lines[4] = "not json"
    done = nctl("send", "-C", running, "-", text="\n".join(lines) + "\n", code=1)
    assert "4" in done.stderr and "5" in done.stderr


def test_unknown_ids_end_with_1(running):
    assert nctl("show", "-C", running, "0190163d-8694-739b-aea5-966c26f8ad91", code=1).stderr
    assert nctl("cancel", "-C", running, "0190163d-8694-739b-aea5-966c26f8ad91", code=1).stderr


def test_cancel(running):
    one = send(running, "--send-at", "2099-01-01T00:00:00Z")
    nctl("cancel", "-C", running, one)
    assert show(running, one)["status"] == "cancelled"


def test_services_and_keys(running):
    made = json.loads(nctl("service", "create", "shop", "-C", running, "--json").stdout)
    assert nctl("service", "show", "shop", "-C", running).stdout == nctl("service", "show", made["id"], "-C", running).stdout
    assert "\"shopp\"" in nctl("key", "create", "shopp", "-C", running, code=1).stderr
    key = json.loads(nctl("key", "create", "shop", "-C", running, "--json").stdout)
    assert key["key"].startswith(made["id"].replace("-", ""))
    assert "shop" in nctl("service", "list", "-C", running).stdout
    listed = nctl("key", "list", made["id"], "-C", running).stdout
    assert key["key_id"] in listed and key["key"] not in listed


def test_keys_are_rotated_and_people_sign_in(running, tmp_path):
    service = json.loads(nctl("service", "create", "rotating", "-C", running, "--json").stdout)["id"]
    old = json.loads(nctl("key", "create", service, "-C", running, "--json").stdout)
    new = json.loads(nctl("key", "rotate", service, old["key_id"], "-C", running, "--overlap", 60, "--json").stdout)
    assert new["key"] != old["key"]
    listed = {key["key_id"]: key for key in json.loads(nctl("key", "list", service, "-C", running, "--json").stdout)["items"]}
    assert listed[old["key_id"]]["expires_at"] and listed[new["key_id"]]["expires_at"] is None
    assert "a SERVICE and a KEY" in nctl("key", "rotate", service, "-C", running, code=2).stderr
    secret = tmp_path / "password"
    secret.write_text("correct horse battery\n", encoding="ascii")
    made = json.loads(nctl("user", "create", "root@example.org", "-C", running, "--admin", "--password-file", secret,
                           "--json").stdout)
    assert made["roles"] == ["admin"] and made["has_password"] is True
    assert "root@example.org" in nctl("user", "list", "-C", running).stdout
    nctl("user", "patch", made["id"], "-C", running, "--timezone", "Europe/Vienna")
    assert json.loads(nctl("user", "show", made["id"], "-C", running, "--json").stdout)["timezone"] == "Europe/Vienna"
    assert "not an e-mail" in nctl("user", "create", "nobody", "-C", running, code=1).stderr
    nctl("user", "delete", made["id"], "-C", running)
    assert "EdDSA" in nctl("key", "rotate-signing", "-C", running).stdout


def test_providers_and_books(running, tmp_path):
    listed = json.loads(nctl("provider", "list", "-C", running, "--json").stdout)["items"]
    assert [item["name"] for item in listed] == ["maildir"]
    secret = tmp_path / "secret"
    secret.write_text("correct horse\nsecond line\n", encoding="ascii")
    nctl("provider", "create", "relay", "-C", running, "--kind", "smtp", "--set", "host=relay.test", "--set", "port=2525",
         "--set", "user=me", "--secret", f"password={secret}", "--priority", 200, "--channel", "email")
    shown = json.loads(nctl("provider", "show", "relay", "-C", running, "--json").stdout)
    assert shown["config"] == {"host": "relay.test", "port": 2525, "user": "me"} and shown["secrets"] == ["password"]
    nctl("provider", "patch", "relay", "-C", running, "--active", "no", "--set", "port=25")
    table = nctl("provider", "list", "-C", running).stdout
    assert "relay" in table and "maildir" in table and "correct horse" not in table
    assert " host=relay.test " in table and " port=25 " in table and "[" not in table
    refused = nctl("provider", "patch", "relay", "-C", running, "--set", "colour=red", code=1).stderr
    assert "/config/colour" in refused
    nctl("provider", "delete", "relay", "-C", running)
    assert "relay" not in nctl("provider", "list", "-C", running).stdout

    books = json.loads(nctl("book", "list", "-C", running, "--json").stdout)
    assert {(copy["book"], copy["actor"], copy["state"]) for copy in books} == {
        ("services", "user-1", "owner"), ("services", "gateway-1", "follower"), ("sessions", "user-1", "owner"),
        ("sessions", "gateway-1", "follower"), ("people", "user-1", "owner"), ("providers", "user-1", "owner"),
        ("providers", "gateway-1", "follower"), ("providers", "email-1", "follower")}
    assert "services" in nctl("book", "list", "-C", running).stdout
    assert "user-1" in nctl("book", "promote", "services", "user-1", "-C", running).stdout
    assert nctl("book", "promote", "all", "user-1", "-C", running).stdout.count("user-1 owns") == 4
    assert "cannot own" in nctl("book", "promote", "services", "gateway-1", "-C", running, code=1).stderr
    assert "no book" in nctl("book", "promote", "services", "router-1", "-C", running, code=1).stderr
    assert nctl("book", "aside", "services", "gateway-1", "-C", running).stdout.startswith("ROUND")
    nctl("book", "promote", "services", "-C", running, code=2)


def test_tail_shows_what_happens(running):
    tail = subprocess.Popen([str(fast_build() / "tools/nctl/nctl"), "tail", "-C", str(running), "--json"],
                            stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1)
        one = send(running)
        end = time.monotonic() + 10
        for line in tail.stdout:
            if one in line and "sent" in line:
                break
            assert time.monotonic() < end, "tail did not show it"
    finally:
        tail.send_signal(signal.SIGINT)
        assert tail.wait(10) in (0, -signal.SIGINT, 130)


def test_backup_check_and_certificates(running, tmp_path):
    copy = tmp_path / "gateway.backup"
    nctl("backup", "gateway-1", copy, "-C", running)
    assert copy.stat().st_size > 8192 and copy.stat().st_mode & 0o077 == 0
    assert nctl("backup", "gateway-1", copy, "-C", running, code=1).stderr, "a file is never overwritten"
    for name in ("gateway-1", "email-1", "operator"):
        assert name in nctl("cert", "list", "-C", running).stdout
    for refused in (nctl("check", "gateway-1", "-C", running, code=1), nctl("restore", "gateway-1", copy, "-C", running, code=1)):
        assert "is held by process" in refused.stderr and "{" not in refused.stderr, "a sentence, and no line of a log"
    nctl("cert", "issue", "operator-2", "operator", "-C", running)
    assert (running / "keys" / "operator-2.key").stat().st_mode & 0o077 == 0


def test_dlq_of_a_mesh_without_dead_letters_is_empty(running):
    nctl("dlq", "list", "-C", running)
    assert nctl("dlq", "show", "0190163d-8694-739b-aea5-966c26f8ad91", "-C", running, code=1).stderr


def test_down_and_up_keep_keys_and_data_and_check_is_clean(running):
    one = send(running)
    until(lambda: show(running, one)["status"] == "sent", "the e-mail to be sent")
    keys = {path.name: path.read_bytes() for path in (running / "keys").iterdir()}
    nctl("down", "-C", running)
    assert nctl("ps", "-C", running, code=1)
    nctl("check", "-C", running)
    nctl("up", "-d", "-C", running)
    assert {path.name: path.read_bytes() for path in (running / "keys").iterdir()} == keys
    assert show(running, one)["status"] == "sent"


def test_up_tells_why_an_actor_does_not_start_and_starts_it_when_that_is_mended(running):
    """The others go on meanwhile."""
    key = running / "keys" / "router-2.key"
    pids = {actor["name"]: actor.get("pid") for actor in json.loads(nctl("ps", "--json", "-C", running).stdout)}
    nctl("drain", "router-2", "--wait", "20s", "-C", running)
    key.chmod(0o644)
    try:
        said = nctl("up", "-d", "--wait", "1s", "-C", running, code=1).stderr
    finally:
        key.chmod(0o600)
    assert "up already" in said and re.search(r"router-2 does not answer: .*router-2\.key", said), said
    nctl("up", "-d", "-C", running)
    again = {actor["name"]: actor.get("pid") for actor in json.loads(nctl("ps", "--json", "-C", running).stdout)}
    assert again.pop("router-2") != pids.pop("router-2") and again == pids
    assert not (running / "run/again").exists()


def test_up_returns_when_the_actors_have_met(running):
    nctl("down", "-C", running)
    shown = json.loads(nctl("up", "-d", "--json", "-C", running).stdout)
    assert {link["state"] for actor in shown for link in actor["links"]} == {"up"}


def test_a_role_that_this_version_lacks_is_not_launched(running):
    """Nothing is made: an entry that cannot be started would keep the whole mesh from starting."""
    assert "nmesh-sms" in nctl("launch", "sms", "-C", running, code=1).stderr
    assert not list(running.rglob("sms-1*"))


def test_init_names_the_password_that_is_still_missing(tmp_path):
    said = nctl("init", tmp_path / "mesh", "--base-port", 0, "--smtp", "m.test:25,user=me,password-file=smtp.password").stderr
    assert f"{tmp_path}/mesh/smtp.password" in said


def test_a_bridge_is_launched_and_listens(running):
    assert "only a bridge" in nctl("launch", "email", "--http", "127.0.0.1:1", "-C", running, code=2).stderr
    assert nctl("launch", "bridge", "-C", running).stdout == "bridge-2\n"
    actors = json.loads(nctl("ps", "--json", "-C", running).stdout)
    urls = {actor["name"]: actor["http"] for actor in actors if actor["role"] == "bridge"}
    assert set(urls) == {"bridge-1", "bridge-2"}
    until(lambda: Web(urls["bridge-2"]).get("/health").body == {"status": "ok"}, "the new bridge to serve")
    nctl("drain", "bridge-2", "-C", running)


def test_an_actor_that_dies_is_started_again(running):
    actors = json.loads(nctl("ps", "-C", running, "--json").stdout)
    actors = actors if isinstance(actors, list) else actors["actors"]
    pid = next(actor["pid"] for actor in actors if actor["name"] == "router-1")
    os.kill(pid, signal.SIGKILL)

    def is_back():
        shown = json.loads(subprocess.run([str(fast_build() / "tools/nctl/nctl"), "ps", "-C", str(running), "--json"],
                                          capture_output=True, text=True, check=False).stdout or "[]")
        shown = shown if isinstance(shown, list) else shown["actors"]
        return any(actor["name"] == "router-1" and actor.get("pid") not in (None, 0, pid) for actor in shown)
    until(is_back, "router-1 to be started again", 20)


@pytest.mark.long
def test_tools_up_shows_a_delivered_e_mail_and_keeps_everything(tmp_path):
    """The first of the two commands of the README, twice."""
    if not (ROOT / "build/release/tools/nctl/nctl").exists():
        pytest.skip("tools/up builds build/release; here it is not built")
    mesh = tmp_path / "mesh"
    for start in (1, 2):
        done = subprocess.run([str(ROOT / "tools/up"), "-d", str(mesh)], capture_output=True, text=True, timeout=600,
                              check=False)
        try:
            assert done.returncode == 0, done.stdout + done.stderr
            assert "| Subject:" in done.stdout and "sent" in done.stdout and "delivered as" in done.stdout
            assert ("there already" in done.stdout) == (start == 2)
        finally:
            nctl("down", "-C", mesh, code=0)
    assert len(list((mesh / "maildir" / "new").iterdir())) == 2


@pytest.mark.long
def test_tools_up_ends_cleanly_with_ctrl_c(tmp_path):
    if not (ROOT / "build/release/tools/nctl/nctl").exists():
        pytest.skip("tools/up builds build/release; here it is not built")
    mesh = tmp_path / "mesh"
    with open(tmp_path / "out", "wb") as out:
        up = subprocess.Popen([str(ROOT / "tools/up"), str(mesh)], stdout=out, stderr=out, start_new_session=True)
        until(lambda: b"Ctrl-C ends it" in (tmp_path / "out").read_bytes() or up.poll() is not None, "tools/up to be up", 300)
        os.killpg(up.pid, signal.SIGINT)
        code = up.wait(60)
    text = (tmp_path / "out").read_text()
    assert code == 0 and "Stopped" in text, text
    assert nctl("ps", "-C", mesh, code=1)
