"""Each state in which a power cut may leave data.mdb and redo.log opens, with all that was acknowledged."""

import re
import subprocess

from harness.mesh import fast_build


def test_no_crash_state_loses_what_was_acknowledged():
    program = fast_build() / "tests/disk/crash_states"
    done = subprocess.run([program, "--every", "11"], capture_output=True, text=True, timeout=600, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = sum(map(int, re.findall(r"(\d+) different", done.stdout)))
    assert tried >= 10_000, done.stdout
