"""An answer over HTTP is held against the OpenAPI document that the bridge serves: status, headers, type and body."""

import copy
import re

import jsonschema

ABSENT = object()
RETRY = {429, 503, 507}


def closed(schema):
    """The same schema, in which what is not named is a fault: a document that forgets a field is found out."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


class Operation:
    def __init__(self, contract, path, method, tree):
        self.contract, self.path, self.method, self.tree = contract, path, method.upper(), tree
        self.id = tree["operationId"]
        self.parameters = [contract.resolve(one) for one in tree.get("parameters", [])]
        self.responses = {int(status): contract.resolve(response) for status, response in tree["responses"].items()}
        body = tree.get("requestBody", {}).get("content", {}).get("application/json")
        self.body = body["schema"] if body else None
        self.pattern = re.compile("".join(f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
                                          for part in re.split(r"(\{\w+\})", path)))
        self.streams = any("text/event-stream" in response.get("content", {}) for response in self.responses.values())

    def __repr__(self):
        return f"{self.method} {self.path}"

    def named(self, where):
        return [one for one in self.parameters if one["in"] == where]


class Contract:
    def __init__(self, document):
        self.document = document
        self.strict = dict(document, components=dict(document["components"],
                                                     schemas=closed(copy.deepcopy(document["components"]["schemas"]))))
        self.resolver = jsonschema.RefResolver("", self.strict)
        self.operations = [Operation(self, path, method, tree)
                           for path, methods in document["paths"].items() for method, tree in methods.items()]

    def resolve(self, value):
        while isinstance(value, dict) and "$ref" in value:
            found = self.document
            for part in value["$ref"][2:].split("/"):
                found = found[part]
            value = found
        return value

    def find(self, method, path):
        """The operation; None: there is none with this path and method. Words win over {names}."""
        fitting = [one for one in self.operations if one.pattern.fullmatch(path)]
        fitting.sort(key=lambda one: one.path.count("{"))
        if fitting:
            fitting = [one for one in fitting if one.path == fitting[0].path]
        wanted = "GET" if method == "HEAD" else method
        return next((one for one in fitting if one.method == wanted), None)

    def validate(self, schema, value):
        jsonschema.Draft202012Validator(schema, resolver=self.resolver,
                                        format_checker=jsonschema.FormatChecker()).validate(value)

    # -- Judging an answer

    def check_problem(self, answer):
        assert answer.headers.get("content-type") == "application/problem+json", answer
        self.validate({"$ref": "#/components/schemas/Problem"}, answer.body)
        assert answer.body["status"] == answer.status, answer
        assert answer.body["correlation_id"] == answer.headers.get("x-correlation-id"), answer
        assert answer.body["instance"].startswith("/") or answer.body["instance"] == "", answer
        assert ("errors" in answer.body) == (answer.status == 422), answer
        assert answer.status != 422 or answer.body["errors"], answer
        if answer.status in RETRY:
            assert int(answer.headers["retry-after"]) >= 1, answer
        if answer.status == 401:
            assert answer.headers["www-authenticate"], answer

    def check_content(self, operation, answer, method):
        response = operation.responses[answer.status]
        content = response.get("content")
        if method == "HEAD":
            assert not answer.raw, answer
            return
        if not content:
            assert not answer.raw, answer
            return
        kind = answer.headers.get("content-type", "").split(";")[0]
        assert kind in content, f"{kind} is not among {list(content)}: {answer}"
        if "json" in kind and "schema" in content[kind]:
            self.validate(content[kind]["schema"], answer.body)

    def check(self, method, path, answer):
        """path: without the query. Raises what is not as the document says; returns the operation."""
        operation = self.find(method, path)
        assert answer.status != 500, answer
        if operation is None:
            assert method == "OPTIONS" or answer.status in (404, 405), answer
        else:
            assert answer.status in operation.responses, f"{operation}: {answer.status} is not foreseen: {answer}"
        if answer.status == 405:
            assert answer.headers["allow"], answer
        if answer.status >= 400 and method != "HEAD" and not self.tells_state(operation, answer):
            self.check_problem(answer)
        if operation and not (answer.status == 200 and operation.streams):
            self.check_content(operation, answer, method)
        if answer.status not in (204, 304) or answer.headers.get("x-correlation-id"):
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers.get("x-correlation-id", "")), answer
        return operation

    @staticmethod
    def tells_state(operation, answer):
        """A 503 of /health/ready need be no problem: it has the state that it tells of."""
        return operation and answer.status == 503 and answer.headers.get("content-type") == "application/json"
