"""A headless Chromium, driven through its DevTools protocol over a pair of pipes.

Nothing but the standard library is needed. The browser has no network: pages come from files.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0


def find_chromium() -> str | None:
    """The path of the browser, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """One browser with one page.

    Args:
      program: the browser. size: of the window, in pixels.
    """

    def __init__(self, program: str, size: tuple[int, int] = (1400, 900)) -> None:
        self._folder = tempfile.mkdtemp(prefix="graphflow-chromium-")
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = (
            f"exec {program} --headless=new --remote-debugging-pipe --no-sandbox --disable-gpu "
            f"--disable-dev-shm-usage "
            f"--no-first-run --disable-extensions --disable-background-networking "
            f"--hide-scrollbars --user-data-dir={self._folder} "
            f"--window-size={size[0]},{size[1]} about:blank 3<&{to_read} 4>&{to_write}")
        self._process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self.call(
            "Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                  deviceScaleFactor=1, mobile=False)

    # ---- the protocol -----------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer of one command. Raises RuntimeError if the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {
            "id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _message(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self._read, 1 << 20) if ready else b""
            if not piece:
                raise RuntimeError("Chromium does not answer.")
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _note(self, event: dict[str, Any]) -> None:
        """Keeps what the page complains of."""
        if event.get("method") == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            told = details.get("exception", {}).get("description")
            self.complaints.append(told or details["text"])
        elif event.get("method") == "Log.entryAdded":
            entry = event["params"]["entry"]
            if entry["level"] == "error":
                self.complaints.append(entry["text"])

    # ---- the page ---------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Loads a file and waits until its scripts have run."""
        self.complaints.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        end = time.monotonic() + PATIENCE
        while self.value("document.readyState") != "complete":
            if time.monotonic() > end:
                raise RuntimeError(f"{path.name} does not load.")
            time.sleep(0.01)

    def value(self, code: str) -> Any:
        """The value of a JavaScript expression (of a promise: what it comes to)."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def key(self, key: str) -> None:
        """Presses and releases a key, as a keyboard does."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38,
                 "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key,
                  text=text, windowsVirtualKeyCode=code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        for char in text:
            self.key(char)

    def click(self, x: float, y: float, count: int = 1) -> None:
        """Clicks; twice if `count` is 2."""
        for number in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                          clickCount=number)

    def picture(self, path: Path) -> None:
        """Saves what the window shows."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def media(self, **features: str) -> None:
        """Pretends settings of the reader: `media(prefers_color_scheme="dark")`."""
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def close(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._folder, ignore_errors=True)
