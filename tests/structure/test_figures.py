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


# -- What draws and alerts by them

PROMETHEUS = ROOT / "deploy/prometheus"


def promtool(*arguments):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not there (tools/setup brings it)")
    run = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def dashboard():
    return json.loads((ROOT / "deploy/grafana/nmesh.json").read_text())


def queries():
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def test_alerts_ask_for_figures_that_there_are():
    text = (PROMETHEUS / "alerts.yml").read_text()
    expressions = re.findall(r"^ +expr: (.*)$", text, re.M)
    assert len(expressions) == text.count("- alert:") > 20
    assert named(" ".join(expressions)) <= series()
    assert named(text) <= set(families()) | series()


def test_the_tests_of_the_alerts_are_of_figures_that_there_are():
    assert named((PROMETHEUS / "alerts_test.yml").read_text()) <= series()


def test_the_dashboard_asks_for_figures_that_there_are():
    assert len(queries()) > 40
    for query in queries():
        assert named(query) and named(query) <= series(), query


def test_the_panels_stand_beside_each_other():
    taken = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_the_queries_of_the_dashboard_are_well_formed(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
             for number, query in enumerate(queries())]
    page = tmp_path / "dashboard.yml"
    page.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))    # JSON is YAML
    promtool("check", "rules", page)


def test_prometheus_takes_alerts_and_configuration():
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_alerts_fire_when_they_should():
    promtool("test", "rules", PROMETHEUS / "alerts_test.yml")
