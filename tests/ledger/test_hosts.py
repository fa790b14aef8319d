"""The hosts of the tests do what they say: cut in silence, one way or both, lose, reset, heal, and leave nothing."""

import os
import socket
import subprocess
import sys

import pytest

from harness.hosts import Hosts, run, sweep

PORT = 9000
SERVER = f"""
import socket
server = socket.create_server(("", {PORT}))
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello")
    peer.close()
"""

pytestmark = pytest.mark.skipif(bool(Hosts.missing()), reason=f"SKIPPED FOR WANT OF RIGHTS OR TOOLS: {Hosts.missing()}")


@pytest.fixture
def hosts():
    with Hosts("a", "b") as made:
        server = subprocess.Popen([*made["a"].enter(), sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"ready\n"
        yield made
        server.kill()
        server.wait()


def is_heard(host, seconds=0.5):
    """True if it answers; an error's name, or "silence"."""
    try:
        with socket.create_connection((host.address, PORT), seconds) as peer:
            peer.settimeout(seconds)
            return peer.recv(5) == b"hello"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return type(error).__name__


def is_heard_from(hosts, source, target):
    code = (f"import socket, sys; peer = socket.create_connection(('{hosts[target].address}', {PORT}), 0.5); "
            "peer.settimeout(0.5); sys.exit(peer.recv(5) != b'hello')")
    return run(*hosts[source].enter(), sys.executable, "-c", code, check=False).returncode == 0


def test_a_cut_is_silent_and_heals(hosts):
    assert is_heard(hosts["a"]) is True
    hosts["a"].cut()
    assert is_heard(hosts["a"]) == "silence"
    assert is_heard_from(hosts, "a", "a"), "a host that is cut off still reaches itself"
    hosts["a"].heal()
    assert is_heard(hosts["a"]) is True


@pytest.mark.parametrize("hook", ["input", "output"])
def test_one_way_is_enough_for_silence(hosts, hook):
    hosts["a"].cut((hook,))
    assert is_heard(hosts["a"]) == "silence"
    hosts["a"].heal()
    assert is_heard(hosts["a"]) is True


def test_a_pair_can_be_cut_and_others_hear_both(hosts):
    hosts["a"].cut(peers=[hosts["b"]])
    assert not is_heard_from(hosts, "b", "a")
    assert is_heard(hosts["a"]) is True


def test_resets_are_loud(hosts):
    hosts["a"].reset(999)
    assert is_heard(hosts["a"]) == "ConnectionRefusedError"


def test_loss_makes_it_slow_and_not_impossible(hosts):
    hosts["a"].lose(20)
    assert any(is_heard(hosts["a"], 3) is True for _ in range(5))


def test_what_a_killed_process_left_is_swept(tmp_path):
    code = ("import os, signal; from harness.hosts import Hosts; hosts = Hosts('x'); print(hosts.tag, flush=True); "
            "os.kill(os.getpid(), signal.SIGKILL)")
    tag = subprocess.run([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, check=False,
                         env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, cwd=tmp_path).stdout.strip()
    assert tag in run("ip", "netns", "list").stdout and f"{tag}b" in run("ip", "-o", "link").stdout
    sweep()
    assert tag not in run("ip", "netns", "list").stdout and tag not in run("ip", "-o", "link").stdout
