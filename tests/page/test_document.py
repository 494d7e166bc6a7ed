"""The shell of a page: no request, only its own script, sections and links that belong together."""

import base64
import hashlib
import re

from instructvec.page.document import Section, document, navigation
from instructvec.page.markup import element
from tests.page.parsed import Page

HOSTILE = "</title><script>alert(1)</script>"
SECTIONS = [
    Section("one", "First", "What it is.", element("p", None, "text")),
    Section("two", "Second", "", None),
    Section("three", HOSTILE, HOSTILE, element("p", None, HOSTILE)),
]
PACKAGE = "instructvec.evaluation.page"


def page(title="Rain", version="1.2"):
    header = element("header", None, element("h1", None, title), navigation(SECTIONS))
    return document(title, header=header, sections=SECTIONS, version=version, package=PACKAGE)


def test_sections_without_content_are_left_out_of_page_and_navigation():
    found = Page(page())
    assert [one for one in found.ids if one in ("one", "two", "three")] == ["one", "three"]
    assert [attributes["href"] for tag, attributes in found.tags if tag == "a"] == ["#main", "#one", "#three"]


def test_the_policy_admits_the_one_script_and_nothing_else():
    text = page()
    [script] = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(one["content"] for tag, one in Page(text).tags if tag == "meta" and "http-equiv" in one)
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_titles_and_leads_are_escaped():
    found = Page(page(HOSTILE, version=HOSTILE))
    assert [tag for tag, _ in found.tags].count("script") == 1


def test_shared_and_own_style_and_script_stand_in_the_page():
    text = page()
    assert "function sortable(" in text
    assert '"tasks-table"' in text
    assert "--ground:" in text
    assert ".panels" in text
