"""An Orthanc with its DICOMweb plug-in on loopback, and a server that answers as it is told to."""

import contextlib
import http.server
import itertools
import json
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from pathlib import Path

import requests

PROGRAM = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
PLUGINS = [
    path
    for folder in ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins")
    for path in Path(folder).glob("libOrthancDicomWeb.so*")
]
ABSENT = "Orthanc with its DICOMweb plug-in (Debian: orthanc, orthanc-dicomweb) is not installed"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def orthanc(folder, users=None):
    """Root of the DICOMweb service of an archive that is empty, and ends with the block."""
    port = free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "HttpServerEnabled": True,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": bool(users),
        "RegisteredUsers": users or {},
        "Plugins": [str(PLUGINS[0])],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    folder.mkdir(exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([PROGRAM, folder / "orthanc.json"], stdout=log, stderr=log)  # noqa: S603
    try:
        for _ in range(300):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/system", timeout=5)
                break
            assert process.poll() is None, (folder / "log.txt").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def answering(*answers):
    """A server that gives these answers in turn, the last for ever: (status, headers, content); and its requests."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, reply = answers[min(len(asked), len(answers) - 1)]
            asked.append((self.command, self.path, dict(self.headers), content))
            body = (reply(content) if callable(reply) else reply).encode()
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - names of the library

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def trickling(*pieces, seconds=0.02):
    """A server that sends these pieces, then the last for ever, one after the other, until the client is gone."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(2**16)
            with contextlib.suppress(OSError):
                for piece in itertools.chain(pieces, itertools.repeat(pieces[-1])):
                    if over.wait(seconds):
                        break
                    self.request.sendall(piece)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
