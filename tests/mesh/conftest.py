"""Fixtures of the whole-mesh tests: meshes and sinks that end with the test or module that asked for them."""

import contextlib
import signal

import pytest

from harness.mesh import Mesh, smtp
from harness.payload import Payloads
from harness.sink import SmtpSink

# A shell that starts the tests in the background lets them inherit "ignore Ctrl-C", and they would hand it on to the
# programs whose Ctrl-C they test. A handler of our own is reset by exec.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.session.stash.setdefault(FAILED, set()).add(item.module.__name__)


FAILED = pytest.StashKey()


def has_failed(request):
    return request.node.session.stash.get(FAILED, set()) and (
        getattr(request, "module", None) is None
        or request.module.__name__ in request.node.session.stash.get(FAILED, set()))


def _mesh_maker(request):
    with contextlib.ExitStack() as stack:
        def make(*arguments, start=True, **more):
            mesh = Mesh(*arguments, label=request.module.__name__.replace("test_", ""), **more)
            stack.callback(lambda: mesh.close(failed=bool(has_failed(request))))
            return mesh.start() if start else mesh
        yield make


def _sink_maker(request, factory):
    sinks = []

    def make(name="sink", **more):
        sink = SmtpSink(factory.mktemp("sink"), name, **more)
        sinks.append(sink)
        return sink
    yield make
    for sink in sinks:
        sink.stop()


@pytest.fixture
def make_mesh(request):
    """make_mesh(roles, providers=..., settings=...) starts a mesh that ends with the test."""
    yield from _mesh_maker(request)


@pytest.fixture(scope="module")
def make_module_mesh(request):
    yield from _mesh_maker(request)


@pytest.fixture
def make_sink(request, tmp_path_factory):
    yield from _sink_maker(request, tmp_path_factory)


@pytest.fixture(scope="module")
def make_module_sink(request, tmp_path_factory):
    yield from _sink_maker(request, tmp_path_factory)


@pytest.fixture(scope="module")
def sink(make_module_sink):
    return make_module_sink()


@pytest.fixture(scope="module")
def payloads():
    return Payloads()


@pytest.fixture(scope="module")
def smtp_mesh(make_module_mesh, sink):
    """One actor of each role, e-mail to the sink, quick retries; shared by the tests of a module."""
    return make_module_mesh(providers={"sink": smtp(sink.port)},
                            settings={"email": {"retries": 3, "retry_delays": "200ms 400ms 800ms",
                                                "breaker_failures": 1000}})


@pytest.fixture
def client(smtp_mesh):
    return smtp_mesh.client()
