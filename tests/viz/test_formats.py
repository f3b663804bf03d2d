"""SVG, DOT and PNG: well formed, the same bytes each time, names escaped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import viz_models

import graphflow as tf
from graphflow.viz.dot import dot_text
from graphflow.viz.drawing import Scene, drawing_of
from graphflow.viz.model import Edge, Node, View
from graphflow.viz.page import json_in_html, page_text
from graphflow.viz.picture import MissingRendererError
from graphflow.viz.svg import escaped, svg_text

GOLDEN = Path(__file__).parent / "golden"
DRAWN = {"mlp": viz_models.mlp, "blocks": viz_models.blocks, "loop": viz_models.loop}
SPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a\"b'c&d<e>",
    "]]><svg onload=alert(1)>", "\u202egnp.exe", "\x00\x08\ud800", "-->", "n\\\" -> evil [",
    "\u2066\u202e",
    "{{constructor}}", "javascript:alert(1)", "\u2028\u2029", "x" * 5000, "層/正規化", "&lt;b&gt;")


def drawn(name: str) -> str:
    return tf.viz(DRAWN[name]()).svg()


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_byte_for_byte_the_one_that_was_looked_at(name):
    """`python tests/viz/test_formats.py` writes the files anew; look at them then."""
    assert drawn(name) == (GOLDEN / f"{name}.svg").read_text("utf-8")


def test_the_bytes_do_not_depend_on_the_process(tmp_path):
    code = ("import sys; sys.path[:0] = sys.argv[1:]; import viz_models, graphflow as tf, hashlib;"
            "p = tf.viz(viz_models.mlp()); print(hashlib.sha256((p.svg() + p.dot()).encode())"
            ".hexdigest())")
    package, support = Path(tf.__file__).parents[1], Path(__file__).parents[1] / "support"
    found = {subprocess.run(
        [sys.executable, "-c", code, str(package), str(support)], cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True,
    ).stdout for seed in ("0", "1")}
    assert len(found) == 1


def test_an_svg_stands_alone():
    root = ET.fromstring(drawn("mlp"))
    assert root.get("role") == "img"
    assert root.find(f"{SPACE}title").text == "Graph"
    assert "nodes" in root.find(f"{SPACE}desc").text
    tags = {element.tag.removeprefix(SPACE) for element in root.iter()}
    assert tags == {"svg", "title", "desc", "style", "rect", "g", "path", "text"}
    assert "href" not in drawn("mlp") and "url(" not in drawn("mlp")


def test_an_svg_shows_names_types_and_counts():
    text = "\n".join(e.text or "" for e in ET.fromstring(drawn("mlp")).iter(f"{SPACE}text"))
    for told in ("hidden", "MatMul", "kernel", "float32 [12, 8]", "gradients"):
        assert told in text
    folded = "\n".join(e.text or "" for e in ET.fromstring(drawn("blocks")).iter(f"{SPACE}text"))
    assert "×6" in folded and "6 equal blocks" in folded


def test_themes():
    picture = tf.viz(viz_models.blocks())
    assert "@media" in picture.svg() and "@media" not in picture.svg(theme="dark")
    assert picture.svg(theme="dark") != picture.svg(theme="light")
    with pytest.raises(tf.GraphflowError, match="auto, light, dark, got 'blue'"):
        picture.svg(theme="blue")


# ---- names are untrusted ------------------------------------------------------------------------


def hostile_scene() -> Scene:
    nodes = tuple(
        Node((name, name), f"{name}/{name}", name, "pointwise", (name,), ((name, name),), name,
             shape_key=(k,)) for k, name in enumerate(HOSTILE))
    pairs = tuple(Node((name, "other"), f"{name}/other", "Neg", "pointwise", (name,))
                  for name in HOSTILE)
    edges = tuple(Edge(k, k + len(HOSTILE), "forward", name) for k, name in enumerate(HOSTILE))
    return Scene.of(View("graph", HOSTILE[0], nodes + pairs, edges))


@pytest.mark.parametrize("opened", [False, True])
def test_hostile_names_stay_text_in_svg(opened):
    scene = hostile_scene()
    groups = {i.number for i in scene.tree.items if i.is_group} if opened else set()
    root = ET.fromstring(svg_text(scene, drawing_of(scene, groups)))
    assert {e.tag.removeprefix(SPACE) for e in root.iter()} <= {
        "svg", "title", "desc", "style", "rect", "g", "path", "text"}
    assert not any(key.startswith("on") for e in root.iter() for key in e.attrib)
    assert any("<img src=x onerror=alert(1)>" in (e.text or "") for e in root.iter())


def test_hostile_names_do_not_leave_their_place_in_html():
    text = page_text(HOSTILE[0], [(hostile_scene(), set())])
    assert text.count("<script") == 2 and text.count("</script") == 2
    assert "<img" not in text and "onerror=alert(1)>" not in text.replace("\\u003e", "")
    assert escaped(HOSTILE[0]) in text


def test_json_cannot_end_its_element():
    assert json_in_html(["</script>", "<!--", "\u2028", "&"]) == (
        '["\\u003c/script\\u003e","\\u003c!--","\\u2028","\\u0026"]')


def test_characters_that_lie_about_order_are_replaced():
    assert escaped("a\u202eb\x00\u2066") == "a\ufffdb\ufffd\ufffd"


def test_hostile_names_stay_quoted_in_dot():
    scene = hostile_scene()
    text = dot_text(scene, {i.number for i in scene.tree.items if i.is_group})
    plain = text.replace("\\\\", "").replace('\\"', "")
    assert plain.count('"') % 2 == 0 and "\\n" not in plain
    for line in plain.split("\n"):
        assert line.count('"') % 2 == 0
    if shutil.which("dot") is None:
        return
    subprocess.run(["dot", "-Tplain"], input=text.encode(), check=True, capture_output=True)


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["svg", "html", "dot"])
def test_save_writes_by_the_end_of_the_name(tmp_path, kind):
    path = tmp_path / f"graph.{kind}"
    picture = tf.viz(viz_models.blocks(), path)
    assert path.read_text("utf-8") == getattr(picture, kind)()


def test_other_names_are_refused(tmp_path):
    with pytest.raises(tf.GraphflowError, match="must end in one of .html, .svg, .png, .dot"):
        tf.viz(viz_models.blocks(), tmp_path / "graph.pdf")


def test_png(tmp_path):
    pytest.importorskip("resvg_py", reason="resvg-py draws PNGs")
    image = pytest.importorskip("PIL.Image", reason="Pillow reads them")
    picture = tf.viz(viz_models.loop(), tmp_path / "graph.png")
    root = ET.fromstring(picture.svg())
    with image.open(tmp_path / "graph.png") as found:
        assert found.size == tuple(
            pytest.approx(2 * float(root.get(k)), abs=2) for k in ("width", "height"))
        colours = found.convert("RGB").getcolors(1 << 24)
    assert colours is not None and len(colours) > 50


def test_png_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingRendererError, match=r"pip install 'graphflow\[png\]'"):
        tf.viz(viz_models.blocks()).png()


def test_a_notebook_gets_a_page_in_a_frame_of_its_own():
    frame = tf.viz(viz_models.blocks())._repr_html_()
    root = ET.fromstring(frame)
    assert root.tag == "iframe" and root.get("sandbox") == "allow-scripts allow-modals"
    assert root.get("srcdoc").startswith("<!DOCTYPE html>")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in DRAWN:
        (GOLDEN / f"{name}.svg").write_text(drawn(name), "utf-8")
