"""The documentation as a site, opened as files: without a web server, without another host."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW
from tests.browser.conftest import Open

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the site is, built strictly."""
    if importlib.util.find_spec("mkdocs") is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("mkdocs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    assert built.returncode == 0, built.stderr
    return folder.as_uri()


def test_what_is_searched_for_is_found(page: Page, site: str) -> None:
    page.goto(f"{site}/index.html")
    page.get_by_placeholder("Search").fill("WillcallNoBeat")
    page.locator(".md-search-result a[href$='#willcallnobeat']").click()
    expect(page).to_have_url(re.compile(r"/ops/runbook\.html.*#willcallnobeat$"))


def test_a_file_of_the_repository_that_a_page_links_to_is_on_the_site(page: Page, site: str) -> None:
    page.goto(f"{site}/ops/deployment.html")
    page.get_by_role("link", name="worker.yaml").first.click()
    expect(page.get_by_role("heading")).to_contain_text("docs/ops/kubernetes/worker.yaml")
    expect(page.locator("pre")).to_contain_text("terminationGracePeriodSeconds: 60")


@pytest.mark.parametrize("name", ["index", "ops/runbook", "ops/deployment", "metrics", "configuration", "architecture"])
def test_pages_fit_a_phone(open_page: Open, site: str, name: str) -> None:
    page = open_page(NARROW, dark=True)
    page.goto(f"{site}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
