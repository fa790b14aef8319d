"""nctl grows a mesh, changes its keys and puts actors out, as a person types it. On a mesh of its own."""

import json
import re
import shutil
import subprocess

import pytest

from harness.mesh import build_folder
from harness.waiting import until

HERE = "127.0.0.2"


class Nctl:
    """One folder of a mesh, and nctl on it."""

    def __init__(self, folder):
        self.folder = folder
        self.program = str(build_folder() / "tools/nctl/nctl")

    def __call__(self, *arguments, code=0, text=None):
        done = subprocess.run([self.program, *map(str, arguments), "-C", str(self.folder)], input=text, text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == code, f"nctl {arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def in_time(self, *arguments):
        """What succeeds once whoever answers has heard of the actor."""
        def is_done():
            return subprocess.run([self.program, *map(str, arguments), "-C", str(self.folder)], capture_output=True,
                                  timeout=60, check=False).returncode == 0
        until(is_done, f"nctl {arguments} to succeed", 20)

    def ps(self):
        done = subprocess.run([self.program, "ps", "--json", "-C", str(self.folder)], text=True, capture_output=True,
                              timeout=60, check=False)
        return {actor["name"]: actor for actor in json.loads(done.stdout)}

    def linked(self, name, peer):
        return any(link["peer"] == peer and link["state"] == "up" for link in self.ps()[name].get("links", []))

    def down(self):
        subprocess.run([self.program, "down", "-C", str(self.folder)], capture_output=True, timeout=60, check=False)

    def send(self, recipient):
        found = json.loads(self("send", "--to", recipient, "--subject", "s", "--content", "c", "--json"))
        until(lambda: json.loads(self("show", found["id"], "--json"))["status"] == "sent", f"{recipient} is sent", 15)


@pytest.fixture(scope="module")
def nctl(tmp_path_factory):
    made = Nctl(tmp_path_factory.mktemp("launch") / "mesh")
    made("init", made.folder, "--host", HERE, "--base-port", 0)
    made("up", "-d")
    yield made
    made.down()


def test_launched_actors_join_and_work(nctl):
    assert nctl("launch", "email", "--count", 2).split() == ["email-2", "email-3"]
    for name in ("email-2", "email-3"):
        until(lambda n=name: nctl.linked("gateway-1", n) and nctl.linked(n, "router-1"), f"{name} is linked", 20)
        assert nctl.ps()[name]["role"] == "email"
    assert (nctl.folder / "actors/email-2.zpl").exists() and not (nctl.folder / "keys/email-2.key").stat().st_mode & 0o077
    assert all(f'{place} = "tcp://{HERE}:' in (nctl.folder / "actors/email-2.zpl").read_text()
               for place in ("mailbox", "desk")), "others reach it where they reach those of the mesh file"
    nctl.send("launched@t.test")


def test_another_gateway_gets_a_number_of_its_own(nctl):
    assert nctl("launch", "gateway").split() == ["gateway-2"]
    assert "number = 2\n" in (nctl.folder / "actors/gateway-2.zpl").read_text()
    until(lambda: nctl.linked("gateway-2", "router-1"), "it is linked", 20)


def test_another_machine_gets_all_that_it_needs_and_joins(nctl):
    """The folder for it is started where it was made: on loopback, by a supervisor of its own."""
    shown = nctl("launch", "email", "--on", "rack-9", "--host-address", "127.0.0.1", "--base-port", 0)
    scp, ssh = shown.splitlines()
    folder = nctl.folder / "outbound/rack-9"
    assert scp == f"scp -rp {folder}/. rack-9:/var/lib/nmesh" and ssh == "ssh rack-9 nctl up -d -C /var/lib/nmesh"
    assert not (folder / "authority.key").exists() and not (folder / "keys/operator.key").exists()
    assert [path.name for path in (folder / "keys").iterdir()] == ["email-4.key"]
    elsewhere = Nctl(folder)
    try:
        assert elsewhere("up", "-d").split() == ["email-4"], "it has no operator's key, and its log says that it is ready"
        shutil.copy(nctl.folder / "keys/operator.key", folder / "keys")  # So that nctl may look from there
        until(lambda: elsewhere.linked("email-4", "router-1"), "it is linked", 20)
        until(lambda: elsewhere.linked("router-1", "email-4"), "from the other side too", 20)
        nctl.in_time("ps", "--from", "email-4")  # From here, where neither its entry nor its key is
        nctl.in_time("backup", "email-4", folder / "copy")
        nctl.in_time("drain", "email-4", "--wait", "20s")
        nctl("drain", "email-44", code=1)
    finally:
        elsewhere.down()


def test_what_is_prepared_for_a_machine_is_apart_from_what_is_there(nctl):
    """Neither end points nor names nor numbers are given twice, whether those before have come or not."""
    def prepare(role, host):
        nctl("launch", role, "--on", host)
        (path,) = set((nctl.folder / f"outbound/{host}/actors").iterdir()) - seen
        seen.add(path)
        return path.stem, path.read_text()
    seen = set()
    name, first = prepare("email", "rack-8")
    _, second = prepare("gateway", "rack-8")
    assert (nctl.folder / f"certs/{name}.cert").exists(), "or it could not be revoked"
    shutil.rmtree(nctl.folder / "outbound/rack-8")
    other, third = prepare("gateway", "rack-7")
    assert other != name and '"tcp://rack-8:7851"' in first and '"tcp://rack-7:7851"' in third
    ports = re.findall(r"tcp://rack-8:(\d+)", first + second)
    assert len(set(ports)) == len(ports) == 5
    numbers = re.findall(r"number = (\d+)", second + third)
    assert len(set(numbers)) == 2 and not {"1", "2"} & set(numbers)


def test_a_key_is_renewed_while_the_actor_runs(nctl):
    before = json.loads(nctl("cert", "show", "email-2", "--json"))
    pid = nctl.ps()["email-2"]["pid"]
    nctl("cert", "renew", "email-2", "--days", 20)
    after = json.loads(nctl("cert", "show", "email-2", "--json"))
    assert after["public_key"] != before["public_key"] and after["not_before"] == before["not_before"]
    assert after["state"] == "ends in 19 days"
    until(lambda: nctl.ps()["email-2"].get("certificate", {}).get("serial") == after["serial"], "it goes by it", 10)
    assert nctl.ps()["email-2"]["pid"] == pid and nctl.ps()["email-2"]["certificate"]["ends_soon"]
    until(lambda: nctl.linked("router-1", "email-2") and nctl.linked("email-2", "gateway-1"), "it is linked again", 20)
    nctl("cert", "renew", "email-2", "--keep-key")
    kept = json.loads(nctl("cert", "show", "email-2", "--json"))
    assert kept["public_key"] == after["public_key"] and kept["serial"] != after["serial"] and kept["state"] == "good"
    assert not list((nctl.folder / "keys").glob("*.next.key"))


def test_a_revoked_actor_ends_and_is_not_started_again(nctl):
    nctl("cert", "revoke", "email-3")
    assert json.loads(nctl("cert", "show", "email-3", "--json", code=1))["state"] == "revoked"
    until(lambda: not nctl.linked("router-1", "email-3"), "its links end", 5)
    until(lambda: nctl.ps()["email-3"]["silent"], "it ends", 20)
    until(lambda: "78" in (nctl.folder / "log/nctl.log").read_text(), "its code to be told", 20)
    nctl.send("without@t.test")


def test_a_statement_is_made_here_and_published_there(nctl, tmp_path):
    """The authority's key need not be where the mesh is."""
    offline = Nctl(tmp_path / "offline")
    shutil.copytree(nctl.folder, offline.folder, ignore=shutil.ignore_patterns("stores", "run", "log", "outbound"))
    file = tmp_path / "statement"
    (nctl.folder / "authority.key").rename(tmp_path / "authority.key")
    try:
        nctl("cert", "revoke", "gateway-2", code=1)
        offline("cert", "revoke", "gateway-2", "--statement", file)
        tampered = tmp_path / "tampered"
        tampered.write_text(file.read_text().replace("gateway-2", "gateway-1"))
        nctl("cert", "publish", tampered, code=1)
        nctl("cert", "publish", file)
    finally:
        (tmp_path / "authority.key").rename(nctl.folder / "authority.key")
    until(lambda: nctl.ps()["gateway-2"]["silent"], "it ends", 20)
    assert nctl.ps()["gateway-1"]["state"] == "up"


def test_forget_asks_first_and_a_new_certificate_gives_the_name_back(nctl):
    nctl("forget", "email-2", code=1, text="no\n")
    until(lambda: nctl.linked("router-1", "email-2"), "nothing was done", 10)
    nctl("forget", "email-2", text="email-2\n")
    until(lambda: nctl.ps()["email-2"]["silent"], "it ends", 20)
    statement = next((nctl.folder / "statements").glob("forget-email-2-*")).read_text()
    assert statement.splitlines()[4] != "-", "the store is not named"
    nctl("up", "-d")  # It is not waited for
    nctl("cert", "issue", "email-2", "email", "--force")
    assert json.loads(nctl("cert", "show", "email-2", "--json"))["state"] == "good"


@pytest.mark.parametrize("arguments", [["launch", "captain"], ["launch", "email", "--count", 0], ["forget", "Not A Name"],
                                       ["cert", "revoke"], ["cert", "renew"], ["cert", "publish"],
                                       ["launch", "email", "--on", "a b"]])
def test_wrong_use_is_refused(nctl, arguments):
    nctl(*arguments, code=2)
