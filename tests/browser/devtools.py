"""Chromium without a window, spoken to in the DevTools protocol over a pair of pipes.

Needs Chromium alone: no driver and no Python package. Messages are JSON, each ended by a zero byte
(Chromium's --remote-debugging-pipe, which reads from file 3 and writes to file 4).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile

NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
#: Longest wait for an answer, in seconds, beyond which a page counts as hanging.
PATIENCE = 60


class BrowserError(Exception):
    """Chromium is missing, died, or refused a command."""


def find() -> str:
    """The program's path."""
    found = [path for path in map(shutil.which, NAMES) if path]
    if not found:
        raise BrowserError(f"none of {', '.join(NAMES)} was found; install Debian's package chromium")
    return found[0]


class Browser:
    """One page in one browser; everything that it reports is kept in `events`."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        # Chromium refuses to run as root inside its sandbox; a report runs no script.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        reads, self.writer = os.pipe()
        self.reader, writes = os.pipe()
        self.process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                f'exec "$0" "$@" 3<&{reads} 4>&{writes}',
                find(),
                "--headless",
                *sandbox,
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                f"--user-data-dir={self.folder.name}",
                "about:blank",
            ],
            pass_fds=[reads, writes],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events: list[dict] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.writer)
        os.close(self.reader)
        self.folder.cleanup()

    def send(self, method: str, **parameters: object) -> dict:
        """Sends a command and waits for its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                break
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait_for(self, method: str) -> dict:
        """Waits for an event that has not been seen yet, and keeps all others."""
        while True:
            event = self.receive()
            self.events.append(event)
            if event.get("method") == method:
                return event["params"]

    def receive(self) -> dict:
        """The next message."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.reader], [], [], PATIENCE)
            chunk = os.read(self.reader, 1 << 20) if ready else b""
            if not chunk:
                raise BrowserError("Chromium ended" if ready else f"no answer within {PATIENCE} s")
            self.buffer += chunk
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, url: str, width: int, height: int, scheme: str) -> None:
        """Loads a page in a window of this size, `light` or `dark`, and forgets earlier events."""
        self.events.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.send(
            "Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.send("Page.navigate", url=url)
        if not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.wait_for("Page.loadEventFired")

    def value(self, expression: str) -> object:
        """What an expression is in the page; waits where it is a promise."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression[:60]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, whole: bool) -> bytes:
        """The window, or the whole page, as PNG."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])
