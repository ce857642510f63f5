"""The documentation as a site, opened as files: without a web server, without another host."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW
from tests.browser.conftest import Open
from tests.tools import require

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the site is, built strictly."""
    require("mkdocs", importlib.util.find_spec("mkdocs"))
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    assert built.returncode == 0, built.stderr
    return folder.as_uri()


def test_the_search_finds_pages(page: Page, site: str) -> None:
    page.goto(f"{site}/index.html")
    page.get_by_placeholder("Search").fill("WillcallNoBeat")
    page.locator(".md-search-result a[href$='#willcallnobeat']").click()
    expect(page).to_have_url(re.compile(r"/ops/runbook\.html.*#willcallnobeat$"))


def test_a_file_of_the_repository_that_a_page_links_to_is_on_the_site(page: Page, site: str) -> None:
    page.goto(f"{site}/ops/deployment.html")
    page.get_by_role("link", name="worker.yaml").first.click()
    expect(page.get_by_role("heading")).to_contain_text("docs/ops/kubernetes/worker.yaml")
    expect(page.locator("pre")).to_contain_text("terminationGracePeriodSeconds: 60")


def test_the_runbook_link_of_each_alert_leads_to_its_section_on_the_site(site: str) -> None:
    ops = ROOT / "docs" / "ops"
    (command,) = re.findall(r"^#   (sed .+html.+)$", (ops / "alerts.yml").read_text(), re.MULTILINE)
    done = subprocess.run(shlex.split(command), cwd=ops, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    rules = [rule for group in yaml.safe_load(done.stdout)["groups"] for rule in group["rules"]]
    for url in [rule["annotations"]["runbook_url"] for rule in rules]:
        file, _, anchor = url.replace("https://your.example/willcall", site.removeprefix("file://")).partition("#")
        assert f'id="{anchor}"' in Path(file).read_text(), url


@pytest.mark.parametrize("name", ["index", "ops/runbook", "ops/deployment", "metrics", "configuration", "architecture"])
def test_pages_fit_on_a_phone(open_page: Open, site: str, name: str) -> None:
    page = open_page(NARROW, dark=True)
    page.goto(f"{site}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
