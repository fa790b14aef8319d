"""Every figure is documented, and whatever draws or alerts by one names a figure that there is."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NCTL = pathlib.Path(os.environ.get("NM_BUILD", ROOT / "build/asan")).absolute() / "tools/nctl/nctl"
FAMILY = re.compile(r'\b([CGH])\(\w+,\s*"(nmesh_\w+)"')


def families():
    """Names of the table, each with its kind."""
    text = (ROOT / "broker/families.h").read_text()
    return {name: {"C": "counter", "G": "gauge", "H": "histogram"}[kind] for kind, name in FAMILY.findall(text)}


def series():
    """What Prometheus can be asked for."""
    names = set()
    for name, kind in families().items():
        names |= {name + "_bucket", name + "_sum", name + "_count"} if kind == "histogram" else {name}
    return names


def named(text):
    return set(re.findall(r"\bnmesh_[a-z0-9_]+\b", text))


def test_the_table_is_read_whole():
    assert len(families()) > 70 and len(set(families().values())) == 3


def test_the_documentation_has_the_table_as_it_is():
    if not NCTL.exists():
        pytest.skip(f"{NCTL} is not built")
    printed = subprocess.run([NCTL, "metrics", "--families"], capture_output=True, text=True, check=True).stdout
    assert printed in (ROOT / "docs/metrics.md").read_text(), "run nctl metrics --families, and put it into docs/metrics.md"


@pytest.mark.parametrize("page", ["docs/metrics.md", "docs/operations.md"])
def test_pages_name_only_figures_that_there_are(page):
    assert named((ROOT / page).read_text()) <= set(families()) | series()
