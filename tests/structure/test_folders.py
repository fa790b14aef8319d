"""Includes go downwards only, and each outside library is seen by one folder (ARCHITECTURE: folders, one direction)."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Who may include whom. Tests may include what they test, and everything below it.
MAY_INCLUDE = {
    "include": set(),
    "wire": {"wire"},
    "lmdb_store": {"lmdb_store"},
    "broker": {"broker", "wire", "lmdb_store"},
    "actors": {"actors", "broker", "wire", "lmdb_store"},
    "sdk": {"sdk", "broker", "wire"},
    "tools": {"tools", "sdk", "broker", "wire", "lmdb_store"},
    "tests": {"tests", "tools", "sdk", "actors", "broker", "wire", "lmdb_store"},
}

# Which files may see an outside library: a pattern of the include, and patterns of the paths.
LIBRARIES = {
    r"lmdb\.h": [r"lmdb_store/", r"tests/"],
    r"zmq(_utils)?\.h|czmq\.h": [r"broker/", r"sdk/", r"tools/", r"tests/"],
    r"curl/.*": [r"broker/(curl_)?effect\w*\.[ch]", r"tests/"],
    r"msgpack.*": [r"wire/", r"tests/"],
    r"jansson\.h": [r"broker/log\.c", r"actors/bridge/convert\.c", r"tools/", r"tests/"],
    r"microhttpd\.h": [r"actors/bridge/http_private\.h"],
}

UNBOUNDED = re.compile(r"\b(strcpy|strcat|sprintf|gets|strtok|alloca)\s*\(")


def tracked(*patterns):
    """Files of the repository, as git knows them, new ones included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for path in set(listed) if (ROOT / path).is_file())


def includes(path):
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if found:
            yield number, found.group(1) == '"', found.group(2)


SOURCES = tracked("*.c", "*.h")


def test_there_are_sources_to_check():
    assert len(SOURCES) > 20


def test_includes_go_downwards_only():
    faults = []
    for path in SOURCES:
        folder = path.split("/")[0]
        for number, ours, name in includes(path):
            target = name.split("/")[0] if "/" in name else None
            if ours and target in MAY_INCLUDE and target not in MAY_INCLUDE.get(folder, set()):
                faults.append(f"{path}:{number}: {folder}/ may not include {name}")
    assert not faults, "\n".join(faults)


def test_our_own_includes_start_at_the_root():
    """But for fixtures beside a test, and the SDK, whose header is installed."""
    faults = []
    for path in SOURCES:
        for number, ours, name in includes(path):
            if ours and not (ROOT / name).exists() and not (ROOT / "include" / name).exists() \
                    and not path.startswith("sdk/") \
                    and not (path.startswith("tests/") and (ROOT / path).with_name(name).exists()):
                faults.append(f"{path}:{number}: {name} is not a path from the root of the repository")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_outside_library_is_seen_where_it_belongs(library):
    faults = [f"{path}:{number}: {name}"
              for path in SOURCES
              for number, _, name in includes(path)
              if re.fullmatch(library, name) and not any(re.match(where, path) for where in LIBRARIES[library])]
    assert not faults, "\n".join(faults)


def test_raw_binds_are_in_one_file():
    """One helper makes every bound socket, or one of them will forget CURVE, ZAP domain or limits."""
    places = {path for path in SOURCES if path.startswith(("broker/", "actors/"))
              and re.search(r"\b(zmq_bind|zsock_bind)\s*\(", (ROOT / path).read_text(encoding="utf-8"))}
    assert len(places) <= 1, f"zmq_bind is called in {sorted(places)}"


def test_no_unbounded_string_functions():
    faults = []
    for path in SOURCES:
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
            if UNBOUNDED.search(line.split("//")[0]) and not line.lstrip().startswith("*"):
                faults.append(f"{path}:{number}: {line.strip()}")
    assert not faults, "\n".join(faults)


def test_no_unfinished_thoughts():
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    faults = [f"{path}:{number}: {line.strip()}"
              for path in tracked("*.c", "*.h", "*.py", "tools/*", ".ci/*", "*.txt")
              for number, line in enumerate((ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1)
              if marks.search(line)]
    assert not faults, "\n".join(faults)
