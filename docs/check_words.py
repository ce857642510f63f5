"""Finds words of docs/vocabulary.txt in code, templates and documentation.

`python docs/check_words.py` prints each place and ends with 1 if there is one; `--count` prints how often each occurs.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What people read or write by hand. Released history stays as it was.
FILES = ("*.py", "*.lua", "*.md", "*.html", "*.css", "*.js", "*.yml", "*.yaml", "*.json", "*.toml", "Makefile")
SKIPPED = ("CHANGELOG.md", "docs/assets/", "docs/chaos/", "tests/fixtures/")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[_\s-]+")


def vocabulary() -> dict[str, str]:
    """The words that are not used, and what is written instead."""
    lines = (ROOT / "docs" / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" -> ") for line in lines if line and not line.startswith("#")]
    return {word: better for words, better in pairs for word in words.split(", ")}


def places(words: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """Yield file, line number and word of each place where one of the words is."""
    unwanted = re.compile(
        rf"\b({'|'.join(sorted(words, key=len, reverse=True))})\b(?! to\b)"
    )  # "told to stop" is English
    listed = subprocess.run(["git", "ls-files", *FILES], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603, S607
    for name in listed.stdout.splitlines():
        if name.startswith(SKIPPED) or not (ROOT / name).is_file():
            continue
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            for found in unwanted.findall(_SEPARATOR.sub(" ", _CAMEL.sub(" ", line)).lower()):
                yield name, number, found


def main() -> int:
    words = vocabulary()
    found = list(places(words))
    if "--count" in sys.argv:
        for word, count in Counter(word for _, _, word in found).most_common():
            print(f"{count:5}  {word} -> {words[word]}")
    else:
        for name, number, word in found:
            print(f"{name}:{number}: {word!r} -> {words[word]}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
