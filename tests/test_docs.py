"""What the documentation says exists, and what exists is documented."""

import argparse
import doctest
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from instructvec.cli.main import COMMANDS, _top_parser

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "command-line.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def options_of(parser):
    """Of a parser and of its actions' own parsers."""
    own = {option for action in parser._actions for option in action.option_strings}
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return own.union(*(options_of(inner) for action in actions for inner in action.choices.values()))


def parser_of(command):
    return import_module(COMMANDS[command].module).parser()


def command_lines(text):
    """Lines of fenced shell blocks that call instructvec, continued lines joined, pipes cut off."""
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"(?:^|\| *|\$ )instructvec (.*)", line):
                yield shlex.split(found[1], comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_command_lines_are_accepted(page):
    for arguments in command_lines(page.read_text(encoding="utf-8")):
        assert arguments[0] in COMMANDS, f"{page.name}: no command {arguments[0]!r}"
        parser_of(arguments[0]).parse_args(arguments[1:])


@pytest.mark.parametrize("page", [ROOT / "README.md", REFERENCE], ids=lambda page: page.name)
def test_documented_commands_and_options_exist(page):
    known = options_of(_top_parser()).union(*(options_of(parser_of(command)) for command in COMMANDS))
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text(encoding="utf-8")):
        if re.match(r"-{1,2}[a-z]", span):
            assert span in known, f"{page.name}: no option {span}"
        elif found := re.match(r"instructvec ([a-z]+)", span):
            assert found[1] in COMMANDS, f"{page.name}: no command {found[1]!r}"


def section_of(command):
    """The reference's section on a command, with that on the options all of them share."""
    sections = re.split(r"^## ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    own = [one for one in sections if one.startswith(f"`instructvec {command}")]
    assert len(own) == 1, f"{REFERENCE.name} has no section on {command}"
    return own[0] + sections[0] + "".join(one for one in sections if one.startswith("Options of the model"))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_of_a_command_is_documented(command):
    documented = set(re.findall(r"`(--?[a-z][a-z-]*)`", section_of(command)))
    assert options_of(parser_of(command)) - {"-h", "--help"} <= documented


def test_readme_shows_every_command_and_both_make_targets():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"instructvec {command}" in readme
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert f"\n{target}:" in makefile


def test_the_examples_of_the_tasks_page_give_what_it_shows():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "tasks.md").read_text("utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest("".join(blocks), {}, "tasks.md", "tasks.md", 0)
    assert len(test.examples) > 30
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name}: {link} does not exist"
