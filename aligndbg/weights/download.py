"""A file from the web: https only, checked against a digest, complete or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONNECT_S = 5.0
READ_S = 30.0
"""Seconds without a byte, after the connection stands, until a download is given up."""
CHUNK = 1 << 18

Progress = Callable[[str, int, int], None]
"""Takes the file's name, the bytes so far and in total; 0 in total while unknown. What it raises ends the download."""


class DownloadFailed(Exception):
    """Why a download did not come about, in words."""


def download(url: str, target: Path, sha256_prefix: str | None, progress: Progress) -> str:
    """Fetch `url` into `target`, which appears whole or not at all; the file's sha256. Raises DownloadFailed."""
    host = urllib.parse.urlsplit(url).hostname or url
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DownloadFailed(f"{target.parent} cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = _fetch(url, host, target.name, file, progress)
        if sha256_prefix and not digest.startswith(sha256_prefix):
            raise DownloadFailed(f"{host} sent another file: its sha256 begins {digest[:16]}, expected {sha256_prefix}")
        temporary.replace(target)
    except OSError as error:
        raise DownloadFailed(f"{target} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def _fetch(url: str, host: str, name: str, file: Any, progress: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    try:
        with _opener().open(urllib.request.Request(url, headers={"User-Agent": "aligndbg"}), timeout=CONNECT_S) as response:
            total = int(response.headers.get("Content-Length") or 0)
            progress(name, 0, total)
            while chunk := response.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                _write(file, chunk)
                progress(name, done, total)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadFailed(_in_words(error, host)) from None
    if total and done != total:
        raise DownloadFailed(f"{host} closed the connection after {done} of {total} bytes")
    return digest.hexdigest()


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise DownloadFailed(f"{file.name} cannot be written: {error.strerror}") from None


class _Connection(http.client.HTTPSConnection):
    """Short to connect, patient while bytes come."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_S)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request, context=ssl.create_default_context())


def _opener() -> urllib.request.OpenerDirector:
    """https alone: with no handler for http, ftp or file a redirection to one of them fails."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Https(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _in_words(error: Exception, host: str) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{host} answered {error.code} {_printable(str(error.reason))}"
    cause = error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException) else error
    text = _printable(str(cause.reason) if isinstance(cause, urllib.error.URLError) else str(cause))
    match cause:
        case socket.gaierror():
            return f"{_proxy_or(host)} cannot be resolved"
        case TimeoutError():
            return f"{host} did not answer in time"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {host} cannot be verified: {cause.verify_message}"
        case ConnectionRefusedError():
            return f"{_proxy_or(host)} refused the connection"
        case OSError() if text.startswith("Tunnel connection failed"):
            return f"{_proxy_or(host)} refused: {text.partition(': ')[2]}"
        case OSError() if cause.strerror:
            return f"{_proxy_or(host)}: {_printable(cause.strerror)}"
    return f"{host}: {text or type(cause).__name__}"


def _proxy_or(host: str) -> str:
    """Who a connection goes to: the proxy without its password, or the host itself."""
    proxy = urllib.request.getproxies().get("https")
    if not proxy or urllib.request.proxy_bypass(host):
        return host
    parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"//{proxy}")
    return f"the proxy {parts.hostname or ''}"


def _printable(text: str) -> str:
    line = " ".join(text.split())[:200]
    return line if line.isprintable() else repr(line)[1:-1]
