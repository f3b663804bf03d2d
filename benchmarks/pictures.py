"""How long a picture of 5,000 operations takes to open and to move, in Chromium.

`python -m benchmarks.pictures` prints the figures of docs/viz.md; it needs Chromium, which it
drives without a window and without a graphics card. A frame is what `requestAnimationFrame` calls
one; a repaint counts until the frame after it has come.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import graphflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from chromium import Chromium, find_chromium  # the browser and the graph that the tests use
from viz_models import many

TURNS = 5
_PAINTED = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
_REPAINT = ("(async () => { const t = performance.now(); dispatchEvent(new Event('afterprint')); "
            f"await {_PAINTED}; return performance.now() - t }})()")
_FRAMES = ("(() => { window.frames_ = []; let last = performance.now(); const f = (now) => { "
           "window.frames_.push(now - last); last = now; window.more_ = requestAnimationFrame(f); "
           "}; window.more_ = requestAnimationFrame(f) })()")
_STOP = "(() => { cancelAnimationFrame(window.more_); return window.frames_.slice(1) })()"


def _opened(browser: Chromium, path: Path) -> float:
    """Seconds from asking for the page until it has drawn itself."""
    start = time.perf_counter()
    browser.open(path)
    browser.value(_PAINTED)
    return time.perf_counter() - start


def _repaints(browser: Chromium) -> list[float]:
    return [browser.value(_REPAINT) / 1000 for _ in range(TURNS)]


def _dragged(browser: Chromium) -> list[float]:
    """Seconds of the frames while the picture is dragged and comes to rest."""
    browser.value(_FRAMES)
    for x, y in ((600, 400), (640, 430), (560, 380)):
        browser.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left",
                     clickCount=1)
        for step in range(30):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + 3 * step,
                         y=y + 2 * step, button="left", buttons=1)
            time.sleep(0.008)
        browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + 90, y=y + 60,
                     button="left", clickCount=1)
        time.sleep(0.3)
    return [t / 1000 for t in browser.value(_STOP)]


def _line(what: str, seconds: list[float]) -> str:
    return (f"{what}: median {statistics.median(seconds):.3f} s, least {min(seconds):.3f} s, "
            f"most {max(seconds):.3f} s ({len(seconds)})")


def _show(browser: Chromium, how: str, path: Path) -> None:
    print(_line(f"{how}: opened and drawn", [_opened(browser, path) for _ in range(TURNS)]))
    browser.key("f")
    print(_line(f"{how}: painted anew, all in sight", _repaints(browser)))
    print(_line(f"{how}: frames while dragged, all in sight", _dragged(browser)))
    for _ in range(8):
        browser.key("+")
    time.sleep(0.5)
    print(_line(f"{how}: painted anew, near", _repaints(browser)))
    print(_line(f"{how}: frames while dragged, near", _dragged(browser)))


def main() -> int:
    """Prints the figures."""
    program = find_chromium()
    if program is None:
        print("there is no Chromium here", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        pages: dict[str, Any] = {"as it opens": None, "every group open": "all"}
        paths = {}
        for number, (how, expand) in enumerate(pages.items()):
            start = time.perf_counter()
            paths[how] = Path(folder) / f"page{number}.html"
            picture = tf.viz(many(5000), paths[how], expand=expand, fold=False)
            print(f"{how}: {len(picture.scenes['graph'].view.nodes)} operations, written in "
                  f"{time.perf_counter() - start:.1f} s, {paths[how].stat().st_size} bytes")
        browser = Chromium(program)
        try:
            print(browser.call("Browser.getVersion")["product"])
            for how, path in paths.items():
                _show(browser, how, path)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
