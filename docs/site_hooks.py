"""Hooks of mkdocs: files outside docs/ that pages link to become pages of the site.

So one link works on a code host and on the site, and the site needs no other host. README.md, CONTRIBUTING.md,
CHANGELOG.md and the README.md of the client and of the examples go to project/, files of code and configuration to
source/.
"""

import logging
import re
from pathlib import Path
from posixpath import relpath
from typing import TYPE_CHECKING

from check import ROOT, links, pages, problems, target_of, with_links
from mkdocs.structure.files import File, Files, InclusionLevel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.willcall")

DOCS = ROOT / "docs"
_LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".json": "json", ".lua": "lua"}
_LANGUAGES |= {".ts": "typescript", ".php": "php", ".rb": "ruby"}
_LANGUAGES |= {".service": "ini", ".target": "ini", ".conf": "nginx", ".sh": "bash"}
#: Shown by the browser itself.
_PICTURES = {".svg", ".png"}
#: What a browser fetches by itself; links that a reader may follow are none of it.
_FETCHED = re.compile(r"""(?:\bsrc=|<link[^>]*\bhref=|url\(|@import )\s*["']?(?:https?:)?//([^/"')\s>]+)""")


def on_pre_build(config: "MkDocsConfig") -> None:  # noqa: ARG001 - mkdocs' signature
    """The check of the links as code hosts see them is part of a strict build."""
    for problem in problems():
        log.warning("leads nowhere: %s", problem)


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add the pages of what lies outside docs/ or is no page."""
    for page in _project_pages():
        files.append(File.generated(config, _place(page), content=page.read_text(encoding="utf-8")))
    linked = {target_of(page, link) for page in pages() for link in links(page.read_text(encoding="utf-8"))}
    for target in sorted(path for path in linked if path and path.is_file()):
        if _place(target).startswith("source/"):
            hidden = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, _place(target), content=_listing(target), inclusion=hidden))
    return files


def on_page_markdown(markdown: str, page: "Page", **_: object) -> str:
    """Point the links of a page to where their targets are on the site."""
    place = page.file.src_uri
    origins = {_place(path): path for path in _project_pages()}
    origin = origins.get(place, DOCS / place)

    def moved(link: str) -> str:
        target = target_of(origin, link)
        if target is None or not target.is_file() or not link.partition("#")[0]:
            return link
        _, mark, anchor = link.partition("#")
        return relpath(_place(target), place.rpartition("/")[0] or ".") + mark + anchor

    return markdown if place.startswith("source/") else with_links(markdown, moved)


def on_post_build(config: "MkDocsConfig") -> None:
    """Nothing of the site is loaded from another host."""
    for path in Path(config.site_dir).rglob("*.*"):
        if path.suffix in {".html", ".css", ".svg"}:
            for host in set(_FETCHED.findall(path.read_text(encoding="utf-8"))):
                log.warning("loaded from another host: %s in %s", host, path.relative_to(config.site_dir))


def _project_pages() -> "list[Path]":
    return [*ROOT.glob("*.md"), *(ROOT / folder / "README.md" for folder in ("client", "examples"))]


def _place(path: "Path") -> str:
    """Where a file of the repository is on the site, as mkdocs names sources."""
    if path in _project_pages():
        return f"project/{path.relative_to(ROOT).as_posix().lower()}"
    if path.is_relative_to(DOCS) and path.suffix in {".md", *_PICTURES}:
        return path.relative_to(DOCS).as_posix()
    return f"source/{path.relative_to(ROOT).as_posix()}.md"


def _listing(path: "Path") -> str:
    """A page that shows a file; search leaves it out."""
    name, language = path.relative_to(ROOT).as_posix(), _LANGUAGES.get(path.suffix, "text")
    text = path.read_text(encoding="utf-8").rstrip()
    return f"---\nsearch:\n  exclude: true\nhide: [toc]\n---\n# {name}\n\n````{language}\n{text}\n````\n"
