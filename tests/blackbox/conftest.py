"""Fixtures: one shared server for the client suites, fresh servers for the tests that break things."""

import itertools

import pytest

from stonecrop import Server

_names = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A six-disk 4+2 server that all client tests share."""
    shared = Server(tmp_path_factory.mktemp("shared"), disks=6, flags=["--domain", "s3.localhost"]).start()
    yield shared
    shared.stop()


@pytest.fixture
def make_server(tmp_path):
    """Makes servers of its own for a test, and ends what is left of them."""
    made = []

    def make(disks=1, **options):
        made.append(Server(tmp_path / f"server{len(made)}", disks=disks, **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def s3(server):
    return server.client()


@pytest.fixture
def bucket(s3):
    """A fresh, empty bucket."""
    name = f"bucket-{next(_names)}"
    s3.create_bucket(Bucket=name)
    return name
