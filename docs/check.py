"""Check that every relative link, anchor and test that the documentation names exists."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)\)|(<img[^>]+src=\")([^\"]+)\"")
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_TEST = re.compile(r"\btest_\w+")
_SCHEME = re.compile(r"[a-z]+:")


def pages() -> list[Path]:
    """All pages of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(text: str) -> list[str]:
    """The links of a page's text, those in code left out."""
    return [first or second for _, first, _, second in _LINK.findall(_FENCE.sub("", text))]


def with_links(text: str, change: Callable[[str], str]) -> str:
    """The text with each of its links changed."""

    def changed(match: re.Match[str]) -> str:
        before, link = (match[1], match[2]) if match[2] else (match[3], match[4])
        return match[0].replace(f"{before}{link}", f"{before}{change(link)}", 1)

    parts = _FENCE.split(text)  # every second one is code
    return "".join(part if number % 2 else _LINK.sub(changed, part) for number, part in enumerate(parts))


def target_of(page: Path, link: str) -> Path | None:
    """The file that a link of a page means, None for one to elsewhere."""
    path = link.partition("#")[0]
    if _SCHEME.match(link):
        return None
    return (page.parent / path).resolve() if path else page


def is_broken(page: Path, link: str) -> bool:
    """Whether a link of a page leads nowhere. Other hosts are not asked."""
    target, anchor = target_of(page, link), link.partition("#")[2]
    if target is None:
        parts = urlsplit(link)
        return parts.scheme not in {"https", "http", "mailto"} or not (parts.netloc or parts.path)
    return not target.exists() or bool(anchor and target.suffix == ".md" and anchor not in anchors(target))


def test_names() -> set[str]:
    """The names of all test functions and test modules."""
    modules = list((ROOT / "tests").rglob("test_*.py"))
    return {module.stem for module in modules} | {
        name for module in modules for name in _TEST.findall(module.read_text(encoding="utf-8"))
    }


def unknown_tests() -> list[str]:
    """Every test that a page names and that does not exist. Those in code are the reader's own."""
    known = test_names()
    return [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages()
        if page.name != "CHANGELOG.md"
        for name in _TEST.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        if name not in known
    ]


def problems() -> list[str]:
    """Every link that leads nowhere, with its page."""
    return [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages()
        for link in links(page.read_text(encoding="utf-8"))
        if is_broken(page, link)
    ]


if __name__ == "__main__":
    broken, unknown = problems(), unknown_tests()
    sys.stdout.write("".join(f"leads nowhere: {problem}\n" for problem in broken))
    sys.stdout.write("".join(f"no such test: {name}\n" for name in unknown))
    sys.exit(bool(broken or unknown))
