"""The quick start of the README, as it is written: in a network of its own, so that its port is free."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MESH = ROOT / "mesh"


def quick_start():
    """The commands of the section, but for the clone."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Quick start", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.M | re.S)
    lines = "\n".join(block for block in blocks).splitlines()
    return [line for line in lines if not line.startswith("git clone")]


@pytest.fixture(name="network")
def fixture_network():
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network of its own")
    if MESH.exists():
        pytest.skip(f"{MESH} is there: somebody's own mesh")
    name = f"nm-readme-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run([str(ROOT / "build/release/tools/nctl/nctl"), "down", "-C", str(MESH)], check=False, timeout=60)
    subprocess.run(["ip", "netns", "delete", name], check=True)
    shutil.rmtree(MESH, ignore_errors=True)


def test_the_quick_start_of_the_readme(network):
    script = ["set -euo pipefail"]
    for line in quick_start():
        script.append(line)
    script.append('echo "## $SERVICE $KEY $ID"')
    done = subprocess.run(["ip", "netns", "exec", network, "bash", "-c", "\n".join(script)], cwd=ROOT, text=True,
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    service, key, notification = done.stdout.rsplit("## ", 1)[1].split()
    assert key.startswith(service.replace("-", "") + "-")
    assert "event: notification.sent\n" in done.stdout
    record = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index('{\n  "status"'):])[0]
    assert record["status"] == "sent" and record["attempts"][0]["provider"] == "maildir"
    assert f"{notification}" in done.stdout and "Subject: Your order" in done.stdout
    assert "It is on its way." in done.stdout
