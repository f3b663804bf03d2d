"""The HTML page in a real browser: headless Chromium, real keys and clicks, no network."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import viz_models
from chromium import Chromium, find_chromium

import graphflow as tf
from graphflow.viz.drawing import Scene, drawing_of
from graphflow.viz.model import Edge, Node, View
from graphflow.viz.page import page_text
from graphflow.viz.svg import svg_text

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium here (Debian's package: chromium)")


@pytest.fixture(scope="module")
def browser():
    browser = Chromium(PROGRAM)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def compiled_page(tmp_path_factory) -> Path:
    """The training step of an MLP with passes, kernels (with times) and memory."""
    path = tmp_path_factory.mktemp("pages") / "mlp.html"
    graph = viz_models.mlp()
    with tf.Session(graph=graph) as session:
        session.run("init")
        feeds = {"x:0": np.zeros((4, 12), np.float32), "labels:0": np.zeros(4, np.int64)}
        tf.viz(session, path, fetches="train", feed_dict=feeds,
               profile={0: {"seconds": 3e-6, "share_of_peak": 0.5}, 1: 1e-6})
    return path


@pytest.fixture
def page(browser, tmp_path):
    """A page of the MLP, freshly opened."""
    path = tmp_path / "mlp.html"
    tf.viz(viz_models.mlp(), path)
    browser.open(path)
    yield browser
    assert browser.complaints == []


def wait(browser: Chromium, code: str) -> None:
    end = time.monotonic() + 10
    while not browser.value(code):
        assert time.monotonic() < end, code
        time.sleep(0.02)


def drawn_texts(browser: Chromium) -> list[str]:
    return browser.value(
        "[...document.querySelectorAll('#stage svg text')].map(t => t.textContent)")


def row(name: str) -> str:
    """The row of the outline whose label is that."""
    return ("[...document.querySelectorAll('#outline li')].find(li => "
            f"li.querySelector('.row span:nth-child(3)').textContent === '{name}')")


def box(browser: Chromium, label: str) -> tuple[float, float]:
    """The middle of the first text in the picture that is that."""
    return tuple(browser.value(
        "(() => { const t = [...document.querySelectorAll('#stage svg text')].find(t => "
        f"t.textContent === '{label}').getBoundingClientRect(); "
        "return [t.x + t.width / 2, t.y + t.height / 2] })()"))


def selected(browser: Chromium) -> str | None:
    return browser.value(
        "document.querySelector('#outline [aria-selected=true] .row span:nth-child(3)')"
        "?.textContent ?? null")


def live(browser: Chromium) -> str:
    return browser.value("document.getElementById('live').textContent")


# ---- what is drawn ------------------------------------------------------------------------------


def test_the_page_is_ready_and_shows_the_graph(page):
    assert page.value("document.documentElement.dataset.ready") == "yes"
    texts = drawn_texts(page)
    assert "hidden" in texts and "MatMul" in texts and "float32 [12, 8]" in texts
    assert page.value("performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("opened", ["first", "all"])
def test_the_page_draws_what_the_svg_draws(browser, tmp_path, opened):
    """Both find coordinates by the same method, one in Python and one in JavaScript."""
    path = tmp_path / "same.html"
    picture = tf.viz(viz_models.mlp(), path, expand=None if opened == "first" else "all")
    browser.open(path)
    browser.value("dispatchEvent(new Event('beforeprint'))")
    in_page = browser.value(
        "[...document.querySelectorAll('#stage svg rect.box')].map(r => ['x', 'y', 'width', "
        "'height'].map(k => +r.getAttribute(k)))")
    in_svg = [tuple(float(r.get(k)) for k in ("x", "y", "width", "height"))
              for r in ET.fromstring(picture.svg()).iter("{http://www.w3.org/2000/svg}rect")
              if "box" in r.get("class", "")]
    np.testing.assert_allclose(sorted(in_page), sorted(in_svg), atol=0.11)
    browser.value("dispatchEvent(new Event('afterprint'))")
    assert browser.complaints == []


def test_light_and_dark(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    page.media(prefers_color_scheme="dark")
    dark = page.value(ground)
    page.media(prefers_color_scheme="light")
    assert page.value(ground) == "rgb(255, 255, 255)" != dark
    page.key("t")
    assert page.value(ground) == dark


def test_it_prints_the_whole_picture(page):
    pdf = page.call("Page.printToPDF", printBackground=True)["data"]
    assert len(pdf) > 10_000


# ---- opening and closing ------------------------------------------------------------------------


def test_groups_open_and_close_by_keys_in_the_outline(page):
    page.value(f"{row('hidden')}.focus()")
    assert page.value(f"{row('hidden')}.getAttribute('aria-expanded')") == "true"
    count = "parseInt(document.getElementById('count').textContent)"
    before = page.value(count)
    page.key("ArrowLeft")
    assert page.value(f"{row('hidden')}.getAttribute('aria-expanded')") == "false"
    assert page.value(count) == before - 4 and live(page) == "hidden closed"
    page.key("Enter")
    assert page.value(count) == before and live(page) == "hidden opened"
    page.key("ArrowRight")
    assert selected(page) == "kernel"
    assert page.value("document.activeElement.closest('li').getAttribute('aria-level')") == "2"
    page.key("ArrowLeft")
    assert selected(page) == "hidden"


def test_a_double_click_opens_a_group_where_it_stands(page):
    page.key("c")
    for _ in range(5):  # on a busy machine two clicks may come too far apart
        page.click(*box(page, "hidden"), count=2)
        if "MatMul" in drawn_texts(page):
            break
    assert page.value(f"{row('hidden')}.getAttribute('aria-expanded')") == "true"
    assert "MatMul" in drawn_texts(page)


def test_all_groups(page):
    page.key("c")
    few = len(drawn_texts(page))
    page.key("e")
    assert page.value("document.querySelectorAll('#outline [aria-expanded=false]').length") == 0
    assert page.value("document.querySelectorAll('#outline li').length") > few


def test_repeated_blocks_are_one_box_until_they_are_opened(browser, tmp_path):
    path = tmp_path / "blocks.html"
    tf.viz(viz_models.blocks(), path)
    browser.open(path)
    assert "×6" in drawn_texts(browser)
    browser.value(f"{row('block_0 … block_5')}.focus()")
    browser.key("ArrowRight")
    texts = drawn_texts(browser)
    assert "×6" not in texts and "block_3" in texts


# ---- finding ------------------------------------------------------------------------------------


def test_search_goes_to_a_node_in_a_closed_group(page):
    page.key("c")
    page.key("/")
    page.type("biasadd hidden")
    wait(page, "document.querySelectorAll('#found li').length > 0")
    assert page.value("document.getElementById('search').getAttribute('aria-expanded')") == "true"
    page.key("ArrowDown")
    page.key("ArrowUp")
    page.key("Enter")
    assert selected(page) == "BiasAdd"
    assert page.value("document.querySelector('#details h2').textContent") == "hidden/BiasAdd"
    x, y = box(page, "BiasAdd")
    assert page.value(f"document.elementFromPoint({x}, {y}).closest('#stage') !== null")


def test_search_that_finds_nothing_says_so(page):
    page.key("/")
    page.type("zzz")
    assert page.value("document.getElementById('found').textContent") == "Nothing found"
    page.key("Escape")
    assert page.value("document.getElementById('found').hidden")


def test_a_click_selects_and_the_panel_tells_about_it(page):
    page.click(*box(page, "MatMul"))
    text = page.value("document.getElementById('details').innerText")
    for told in ("hidden/MatMul", "float32 [x.0, 8]", "viz_models.py", "Inputs (2)",
                 "hidden/kernel/read", "transpose_b"):
        assert told in text
    assert page.value("document.querySelectorAll('#stage .hot').length") > 0
    page.key("Escape")
    assert selected(page) is None


def test_a_constant_shows_its_statistics_and_histogram(browser, tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(np.random.default_rng(0).normal(size=1000), name="weights")
    tf.viz(graph, tmp_path / "c.html")
    browser.open(tmp_path / "c.html")
    browser.value(f"{row('weights')}.querySelector('.row').click()")
    text = browser.value("document.getElementById('details').innerText")
    assert "1000" in text and "deviation" in text
    assert browser.value("document.querySelectorAll('.histogram rect').length") == 24
    label = browser.value("document.querySelector('.histogram').getAttribute('aria-label')")
    assert label.startswith("Histogram of 1000 values from -")


def test_paths_and_what_a_node_needs(page):
    page.click(*box(page, "MatMul"))
    page.key("a")
    assert "nodes marked" in live(page)
    assert page.value("document.querySelectorAll('#stage .dim').length") > 0
    page.key("i")
    assert live(page).startswith("Only")
    assert not page.value(f"{row('gradients')} !== undefined")
    page.key("i")
    assert page.value(f"{row('gradients')} !== undefined")
    page.key("Escape")
    page.value(f"{row('x')}.querySelector('.row').click()")
    page.key("p")
    page.value(f"{row('init')}.querySelector('.row').click()")
    page.key("p")
    assert live(page) == "There is no path"
    page.value(f"{row('x')}.querySelector('.row').click()")
    page.key("p")
    page.value(f"{row('value')}.querySelector('.row').click()")
    page.key("p")
    assert live(page).endswith("nodes on the paths")


def test_kinds_of_edges_can_be_left_out(page):
    count = "document.querySelectorAll('#stage .wire.e-gradient').length"
    assert page.value(count) > 0
    page.value("document.querySelector('[data-kind=gradient]').click()")
    assert page.value(count) == 0


# ---- the compiler's view ------------------------------------------------------------------------


def test_passes_step_by_step(browser, compiled_page):
    browser.open(compiled_page)
    browser.value("[...document.querySelectorAll('[role=tab]')][1].click()")
    assert browser.value("document.getElementById('steps').hidden") is False
    title = "document.getElementById('step-title').textContent"
    first = browser.value(title)
    marks = "document.querySelectorAll('#stage .added, #stage .changed, #stage .removed').length"
    assert browser.value(marks) > 0
    assert browser.value("document.querySelectorAll('.diff .minus').length") > 0
    browser.key("]")
    assert browser.value(title) != first and live(browser).startswith("2 of")
    browser.key("[")
    browser.key("[")
    assert browser.value(title).startswith("0 of") and browser.value(marks) == 0
    assert browser.complaints == []


def test_kernels_with_times_and_the_arena(browser, compiled_page):
    browser.open(compiled_page)
    browser.value("[...document.querySelectorAll('[role=tab]')][2].click()")
    text = browser.value("document.querySelector('table.kernels').innerText")
    assert "0 · " in text and "3 µs" in text and "50.0%" in text
    assert any("3 µs · " in t for t in drawn_texts(browser))
    browser.value("document.querySelector('table.kernels button').click()")
    assert "share of the run" in browser.value("document.getElementById('details').innerText")
    browser.value("[...document.querySelectorAll('[role=tab]')][3].click()")
    assert browser.value("document.querySelector('.picture:not([hidden]) svg rect') !== null")
    assert browser.value("document.querySelector('main').hidden")
    assert browser.complaints == []


# ---- for everybody ------------------------------------------------------------------------------


def test_a_screen_reader_finds_a_tree_and_names_for_everything(page):
    nodes = [n for n in page.call("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert roles["tree"] == ["Groups and nodes"]
    assert any(name.startswith("kernel, group of ") for name in roles["treeitem"])
    assert "MatMul, MatMul, float32 [x.0, 8]" in roles["treeitem"]
    assert roles["image"][0].startswith("Graph: ")
    for role in ("button", "checkbox", "slider", "combobox", "treeitem", "tab", "image"):
        assert all(roles.get(role, [])), role


def test_everything_is_reached_by_the_tab_key(page):
    seen = set()
    for _ in range(40):
        page.key("Tab")
        seen.add(page.value("document.activeElement.id || document.activeElement.tagName"))
    assert {"search", "fit", "open-all", "theme", "stage", "LI", "INPUT"} <= seen
    page.value("document.getElementById('stage').focus()")
    before = page.value("document.querySelector('#stage svg').style.transform + "
                        "document.querySelector('#stage g').getAttribute('transform')")
    page.key("ArrowDown")
    assert page.value("document.querySelector('#stage svg').style.transform + document."
                      "querySelector('#stage g').getAttribute('transform')") != before


def test_keys_are_told(page):
    page.key("?")
    assert page.value("document.getElementById('help').open")
    page.key("Escape")
    assert not page.value("document.getElementById('help').open")


# ---- names are untrusted, graphs are large ------------------------------------------------------


def test_hostile_names_run_nothing(browser, tmp_path):
    names = ("<img src=x onerror=document.title='owned'>", "</script><script>document.title="
             "'owned'</script>", "<svg onload=document.title='owned'>", "\"'><b>x", "${alert(1)}")
    nodes = tuple(Node((name, name), f"{name}{k}", name, "pointwise", (name,), ((name, name),),
                       name) for k, name in enumerate(names * 2))
    scene = Scene.of(View("graph", names[0], nodes, (Edge(0, 1, "forward", names[1]),)))
    every = {i.number for i in scene.tree.items if i.is_group}
    picture = svg_text(scene, drawing_of(scene, every), "light")
    (tmp_path / "evil.html").write_text(
        page_text("safe", [(scene, every)], [(names[0], picture)]), "utf-8")
    browser.open(tmp_path / "evil.html")
    browser.value("document.querySelectorAll('#outline .row')[1].click()")
    browser.key("/")
    browser.type("img")
    assert browser.value("document.querySelectorAll('#found li').length") > 0
    for tab in (1, 0):
        browser.value(f"document.querySelectorAll('[role=tab]')[{tab}].click()")
    assert browser.value("document.title") == "safe"
    assert browser.value("document.querySelectorAll('img, main b, #found b').length") == 0
    assert browser.complaints == []


def test_the_policy_refuses_code_that_is_not_the_pages_own(page):
    ran = page.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; "
        "document.body.append(s); return window.ran ?? 0 })()")
    assert ran == 0
    page.complaints.clear()  # the browser says that it refused


@pytest.mark.parametrize("expand", [None, "all"])
def test_five_thousand_nodes_stay_few_elements(browser, tmp_path, expand):
    """What is far away is drawn together, what is out of sight not at all."""
    picture = tf.viz(viz_models.many(5000), tmp_path / "big.html", expand=expand, fold=False)
    assert len(picture.scenes["graph"].view.nodes) >= 5000
    browser.open(tmp_path / "big.html")
    count = "document.querySelectorAll('#stage svg *').length"
    assert browser.value(count) < 4000
    browser.key("e")
    assert browser.value(count) < 4000
    for _ in range(12):
        browser.key("+")
    time.sleep(0.3)
    assert browser.value(count) < 4000
    assert browser.complaints == []
