"""The bar: on a terminal only, with speed in texts and tokens, resumed rows not counted as speed."""

import io

from instructvec.cli import progress
from instructvec.cli.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, *, quiet=False):
    monkeypatch.setattr(progress.sys, "stderr", stream)
    with ProgressBar(quiet=quiet) as bar:
        bar.start(100)
        bar.add(40, 400, resumed=True)
        bar.add(60, 600, resumed=False)
    return stream.getvalue()


def test_bar_on_a_terminal(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert "100/100" in text
    assert "texts/s" in text
    assert "tokens/s" in text


def test_what_is_done_is_named_and_unknown_tokens_are_not_counted(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress.sys, "stderr", stream)
    with ProgressBar(quiet=False) as bar:
        bar.start(10)
        bar.say("comparing")
        bar.add(10, 0, resumed=False)
    assert "comparing: 100%" in stream.getvalue()
    assert "tokens/s" not in stream.getvalue()


def test_no_bar_off_a_terminal_or_when_quiet(monkeypatch):
    assert shown(monkeypatch, io.StringIO()) == ""
    assert shown(monkeypatch, Terminal(), quiet=True) == ""
