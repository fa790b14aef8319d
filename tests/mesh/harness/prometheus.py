"""Reads the text format 0.0.4 of Prometheus, strictly: whatever is not exactly as the format says is an error."""

import re
import shutil
import subprocess

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{(.*)\}})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


class Figures:
    """families: name -> (type, help); samples: (name, labels as a sorted tuple) -> value."""

    def __init__(self, text):
        self.families, self.samples = {}, {}
        assert text.endswith("\n") and "\r" not in text
        family = None
        for line in text[:-1].split("\n"):
            family = self.take(line, family)
        self.check_histograms()

    def take(self, line, family):
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            assert name not in self.families and re.fullmatch(NAME, name) and text, f"a family comes once: {line}"
            assert not self.families or name > list(self.families)[-1], f"families are sorted: {line}"
            self.families[name] = (None, text)
            return name
        if line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family and self.families[name][0] is None, f"TYPE follows HELP: {line}"
            assert kind in ("counter", "gauge", "histogram")
            self.families[name] = (kind, self.families[name][1])
            return family
        match = SAMPLE.fullmatch(line)
        assert match and family and self.families[family][0], f"not a sample of a family: {line!r}"
        name, labels, value = match.groups()
        suffixes = ("_bucket", "_sum", "_count") if self.families[family][0] == "histogram" else ("",)
        assert name in {family + suffix for suffix in suffixes}, f"stands among the samples of {family}: {line}"
        key = (name, self.labels(labels or ""))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)
        return family

    @staticmethod
    def labels(text):
        found, at = {}, 0
        while at < len(text):
            match = LABEL.match(text, at)
            assert match and match[1] not in found, f"labels: {text!r}"
            found[match[1]] = re.sub(r'\\["\\n]', lambda escape: ESCAPES[escape[0]], match[2])
            at = match.end()
        return tuple(sorted(found.items()))

    def check_histograms(self):
        """Buckets never fall, the last is +Inf and is the count."""
        last = {}
        for (name, labels), value in self.samples.items():
            if not name.endswith("_bucket"):
                continue
            rest = tuple(pair for pair in labels if pair[0] != "le")
            edge = float(dict(labels)["le"].replace("+Inf", "inf"))
            before = last.get((name, rest), (-1, 0))
            assert edge > before[0] and value >= before[1], f"{name}{labels}"
            last[name, rest] = edge, value
        for (name, rest), (edge, value) in last.items():
            assert edge == float("inf") and self.samples[name[:-7] + "_count", rest] == value
            assert (name[:-7] + "_sum", rest) in self.samples

    def of(self, name, **labels):
        """The sum of all samples of that name that have these labels; None if there is none."""
        wanted = set(labels.items())
        values = [value for (have, pairs), value in self.samples.items() if have == name and wanted <= set(pairs)]
        return sum(values) if values else None

    def values(self, name, label):
        return {dict(pairs).get(label) for have, pairs in self.samples if have == name}


def promtool(*arguments, text=None):
    """Runs it if it is there: (exit code, what it said)."""
    if not shutil.which("promtool"):
        return None
    run = subprocess.run(["promtool", *arguments], input=text, text=True, capture_output=True)
    return run.returncode, run.stdout + run.stderr
