"""The table of operations (wire/api.c) and the fields that they take (wire/*.h), read from the source: what a test goes
through row by row, so that a new row or field is tried by itself."""

import collections
import re

from harness.mesh import ROOT

ROW = re.compile(r'\{ "([\w.]+)",\s*(?:NM_SCOPE_)?(\w+),\s*(\w+),\s*"([^"]+)",\s*(\d+),\s*([\w |]+),\s*"[^"]*"'
                 r'(?:,\s*(&nm_\w+_shape|NULL))?')
FIELDS = re.compile(r"#define NM_(\w+)_FIELDS\(F, R\)((?:.*\\\n)*.*\n)")
FIELD = re.compile(r"F\(R, \d+, (\w+), (\w+), [^,]+, (MUST|MAY), ([&\w]+),")
VARIANT = re.compile(r"NM_RECORD_(?:VARIANT|NAMING)\((\w+), (\w+),")

Row = collections.namedtuple("Row", "op scope method path status flags shape")
Field = collections.namedtuple("Field", "name type must shape")


def source(name):
    return (ROOT / "wire" / name).read_text(encoding="utf-8")


def rows():
    """The operations that have a path, but for those that a bridge answers by itself."""
    found = [Row(op, scope, method, path, int(status), flags, (shape or "NULL").removeprefix("&nm_").removesuffix("_shape"))
             for op, scope, method, path, status, flags, shape in ROW.findall(source("api.c"))]
    assert len(found) > 30, "wire/api.c is not written as it was"
    return [row for row in found if "EDGE" not in row.flags]


def fields():
    """The fields of each shape, by its name; a variant has those of its record."""
    found = {}
    for name in ("frames.h", "records.h", "asks.h"):
        for record, text in FIELDS.findall(source(name)):
            found[record.lower()] = [Field(field, kind, must == "MUST", shape.removeprefix("&nm_").removesuffix("_shape"))
                                     for field, kind, must, shape in FIELD.findall(text)]
    for variant, record in VARIANT.findall(source("asks.c") + source("records.c")):
        found.setdefault(variant, found.get(record, []))
    found["broadcast"] = found["request"] + found["broadcast"]
    return found


def texts(shape, shapes, above=()):
    """The place of each text of a body, as a path of names, down through its records."""
    for field in shapes.get(shape, []):
        place = (*above, field.name)
        if field.type == "RECORD" and len(place) < 4:
            yield from texts(field.shape, shapes, place)
        elif field.type in ("LINE", "STR", "REF", "ENUM", "ID", "TIME", "LINES"):
            yield place, field.type


def put(body, place, value):
    """A copy of the body with this value there."""
    body = dict(body)
    if len(place) == 1:
        body[place[0]] = value
    else:
        body[place[0]] = put(body.get(place[0]) or {}, place[1:], value)
    return body
