"""A real headless Chromium, driven over a pipe by its own protocol; no package is needed beside the browser."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page of one browser, of a width and height in pixels.

    ``requests`` are the addresses that it asked for, ``complaints`` what it wrote to the console and what was thrown.
    """

    def __init__(self, file: Path, width: int = 1400, height: int = 900, scheme: str = "light") -> None:
        assert PROGRAM, "there is no Chromium"
        self._numbers, self.requests, self.complaints = itertools.count(1), [], []
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        flags += [f"--user-data-dir={self._profile.name}", "--remote-debugging-pipe", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "browser", PROGRAM, *flags], pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in, self._read = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb"), b""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._loaded = False
        self._ask("Page.navigate", url=file.resolve().as_uri())
        while not self._loaded:
            self._hear()

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._process.terminate()
        self._process.wait(30)
        self._in.close()
        self._profile.cleanup()

    def run(self, script: str) -> Any:
        """The value of an expression, awaited; AssertionError with what it threw."""
        found = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Waits for an expression to be true; AssertionError if it is not within 30 seconds."""
        look = f"""new Promise((done, fail) => {{
          const end = performance.now() + 30000;
          const look = () => ({script}) ? done(true) : performance.now() > end ? done(false) : setTimeout(look, 20);
          look();
        }})"""
        assert self.run(look), f"never came true: {script}"

    def press(self, key: str) -> None:
        """A key, down and up, where the focus is."""
        text = {"text": key} if len(key) == 1 else {}
        number = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Escape": 27}.get(key, 0)
        code = f"Digit{key}" if key.isdigit() else key
        for kind in ("keyDown", "keyUp"):
            self._ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number,
                **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            heard = self._hear()
            if heard.get("id") == number:
                assert "error" not in heard, heard
                return heard["result"]

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            part = os.read(self._in.fileno(), 1 << 16)
            assert part, "the browser is gone"
            self._read += part
        message, _, self._read = self._read.partition(b"\0")
        heard = json.loads(message)
        about = heard.get("params", {})
        match heard.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(about))
            case "Page.loadEventFired":
                self._loaded = True
        return heard
