"""A hook of mkdocs: pages of the site that are written elsewhere, so that nothing is written twice.

``contributing.md``, ``changelog.md`` and ``security.md`` come from the files in the repository's root, ``settings.md``
from the README's table, which a test holds to the code, and ``commands.md`` from the commands themselves. Notebooks
become pages with their outputs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for source, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=relinked((ROOT / source).read_text(), page)))
    files.append(File.generated(config, "reference/settings.md", content=settings()))
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    for found in [one for one in files if one.src_uri.endswith(".ipynb")]:
        text = notebook(json.loads(found.content_string), Path(found.src_uri).name)
        files.append(File.generated(config, found.src_uri.replace(".ipynb", ".md"), content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Links to the files in the root lead to their pages."""

    def link(found: re.Match[str]) -> str:
        return f"]({os.path.relpath(ROOT_PAGES[found[1]], Path(page.file.src_uri).parent)}"

    return re.sub(r"\]\((?:\.\./)+(CONTRIBUTING\.md|CHANGELOG\.md|SECURITY\.md)", link, markdown)


def relinked(text: str, page: str) -> str:
    """The text of a file in the root with its links as ``page`` must have them."""

    def link(found: re.Match[str]) -> str:
        target = ROOT_PAGES.get(found[1], found[1].removeprefix("docs/"))
        return f"]({os.path.relpath(target, Path(page).parent)}"

    return re.sub(r"\]\((?!https?:|#)([^)#]+)", link, text)


def settings() -> str:
    """The table of settings, from the README."""
    table = (ROOT / "README.md").read_text().partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]
    return (
        "# Settings\n\nSettings are read from the environment or from a `.env` file in the current directory."
        " `hub-monitor doctor` shows which are in force; secrets are masked.\n\n" + table
    )


def notebook(content: dict[str, Any], name: str) -> str:
    """A notebook as Markdown: its texts, its code, and what each cell shows as text."""
    parts = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        shown = [output.get("text") or output.get("data", {}).get("text/plain") for output in cell.get("outputs", ())]
        parts += [f"```text\n{''.join(text)}\n```" for text in shown if text]
    return "\n\n".join([*parts, f"[Download the notebook]({name})"]) + "\n"


def commands() -> str:
    """Every command's help, from the commands."""
    from workers.main import app

    root: Any = typer.main.get_command(app)
    pages = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(root, "hub-monitor")]
    return "# Commands\n\nWhat `--help` prints for each command.\n\n" + "\n".join(pages)


def _helps(command: Any, path: str) -> Iterator[tuple[str, str]]:
    context = command.make_context(path, [], resilient_parsing=True, terminal_width=80)
    yield path, command.get_help(context)
    for name in getattr(command, "commands", {}):
        child = command.get_command(context, name)
        if not child.hidden:
            yield from _helps(child, f"{path} {name}")
