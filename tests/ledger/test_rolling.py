"""Every actor is ended and started again under load, with the same program and with the next: no client sees a failure."""

import os
import pathlib
import random
import subprocess

import pytest

from harness.history import read
from harness.mesh import ROOT, fast_build

from chaos.field import Field

SEED = int(os.environ.get("NM_SEED", random.randrange(1 << 32)))
PREVIOUS = os.environ.get("NM_PREVIOUS", "a4709e6")
PREVIOUS_ROLES = {"gateway": 2, "router": 2, "email": 2, "deadletter": 1}
ROLES = {**PREVIOUS_ROLES, "user": 1}
READERS_FIRST = ("deadletter", "email", "router", "gateway", "user")    # docs/operations.md, Upgrade

pytestmark = pytest.mark.long


def make_field(build, roles=None, **more):
    return Field(None, roles or ROLES, seed=SEED, build=build, hosts=(), per_second=100, **more)


def roll(field, build=None):
    """One after the other, those who read before those who write; each is waited for."""
    for role in READERS_FIRST:
        for actor in field.mesh.of_role(role):
            code = actor.stop()
            assert code == 0, f"{actor.name} ended with {code} when it was asked to"
            actor.build = pathlib.Path(build or actor.build)
            actor.start()
            field.sleep(0.5)


def judge(field, capsys, what):
    line = field.finish()
    load = next(entry for entry in read(field.run.nemesis) if entry["what"] == "load")
    with capsys.disabled():
        print(f"\n{what}: {line}; answers {load['codes']}")
    assert not field.faults, "\n".join(field.faults[:20])
    assert field.figures["accepted"] == field.figures["asked"] > 0
    assert field.figures["lost"] == 0 and field.figures["unexplained"] == 0


def test_a_rolling_restart_fails_no_request(capsys):
    with make_field(fast_build()) as field:
        field.start_load()
        field.sleep(1)
        roll(field)
        judge(field, capsys, "rolling restart")


def build_of(commit):
    """The released build of a commit, made once in build/previous. Skips where git does not have it."""
    folder = ROOT / "build/previous" / commit
    if not (folder / "build/actors/gateway/nmesh-gateway").exists():
        have = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False)
        if have.returncode:
            pytest.skip(f"SKIPPED: commit {commit} is not in this clone, so there is no previous version to upgrade from")
        folder.mkdir(parents=True, exist_ok=True)
        tree = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=tree, check=True)
        for command in (["cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                        ["cmake", "--build", "build", "-j2", "--target", *(f"nmesh-{role}" for role in PREVIOUS_ROLES)]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return folder / "build"


def test_a_rolling_upgrade_fails_no_request(capsys):
    with make_field(build_of(PREVIOUS), PREVIOUS_ROLES, form=1, apart=False) as field:
        field.start_load()
        field.sleep(1)
        roll(field, fast_build())
        judge(field, capsys, f"rolling upgrade from {PREVIOUS}")
