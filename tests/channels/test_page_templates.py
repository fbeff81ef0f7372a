"""Pages of channels: their layout is handed in by the web layer, and no channel reaches for the web layer's files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.testclient import TestClient
from jinja2 import DictLoader

from monitor.channels import __file__ as channels_file
from monitor.channels.page_templates import ChannelPages, set_page_layout

CHANNELS = Path(channels_file).parent


def web_paths(source: str) -> Iterator[str]:
    """The string constants of a module that name a folder ``web``, or something inside one."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            parts = node.value.replace("\\", "/").replace(".", "/").split("/")
            if "web" in parts and " " not in node.value:
                yield node.value


def test_no_channel_names_the_web_layer_by_path_or_import() -> None:
    modules = list(CHANNELS.rglob("*.py"))
    assert len(modules) > 20
    found = {str(path.relative_to(CHANNELS)): list(web_paths(path.read_text())) for path in modules}
    assert {name: paths for name, paths in found.items() if paths} == {}
    templates = [path for path in CHANNELS.rglob("*.html") if "web/templates" in path.read_text()]
    assert templates == []


@pytest.mark.parametrize(
    "source",
    [
        'Path(monitor.__file__).parent / "web" / "templates"',
        'open("monitor/web/templates/base.html")',
        'files("monitor.web").joinpath("templates")',
        'Path(__file__).parents[2] / "../web/templates"',
    ],
)
def test_each_way_to_name_it_is_found(source: str) -> None:
    assert list(web_paths(source))


def test_a_page_is_rendered_inside_the_layout_of_its_application(tmp_path: Path) -> None:
    (tmp_path / "hello.html").write_text(
        '{% extends "base.html" %}{% block main %}{{ name|loud }}{{ mark }}{% endblock %}'
    )
    pages = ChannelPages(tmp_path, {"loud": str.upper}, {"mark": "!"})
    for layout in ("first", "second"):
        app = FastAPI()
        set_page_layout(app, DictLoader({"base.html": layout + ": {% block main %}{% endblock %}"}))

        @app.get("/")
        def hello(request: Request) -> Response:
            return pages.render(request, "hello", {"name": "a<b"}, 201, {"X-Test": "yes"})

        answer = TestClient(app).get("/")
        assert (answer.status_code, answer.text, answer.headers["X-Test"]) == (201, f"{layout}: A&lt;B!", "yes")
