"""The command line as users meet it: exit statuses, messages, what goes to stdout and what to stderr."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instructvec.cli import main as cli
from instructvec.cli.main import main
from tests.corpus.fake import FakeEncoder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("id,text\n1,a cat\n2,a dog\n")
    return tmp_path / "in.csv"


@pytest.fixture
def fake(monkeypatch):
    encoder = FakeEncoder()
    encoder.prompts = {"query": "query: "}
    encoder.name = "fake"
    monkeypatch.setattr("instructvec.cli.embed.open_embedder", lambda arguments: encoder)
    return encoder


def test_embed_with_the_bundled_model(texts, capsys):
    assert main(["embed", "in.csv", "-o", "out.parquet", "--instruction", "Represent the pet: ", "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["status"], result["rows"], result["contract"]["instructions"]) == (
        "done",
        2,
        ["Represent the pet: "],
    )
    assert "out.parquet: 2 rows of 384 dimensions" in err
    assert pq.read_table("out.parquet").column_names == ["id", "text", "embedding"]


def test_embed_says_when_there_is_nothing_to_do(texts, fake, capsys):
    assert main(["embed", "in.csv", "-o", "out.npy", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["embed", "in.csv", "-o", "out.npy"]) == 0
    assert capsys.readouterr() == ("", "out.npy: up to date; nothing to do\n")


def test_embed_reports_cut_and_rejected_rows(texts, fake, capsys):
    texts.write_text("id,text\n1," + "word " * 20 + "\n2\n")
    assert main(["embed", "in.csv", "-o", "out.jsonl", "--on-error", "skip"]) == 0
    message = capsys.readouterr().err
    assert "1 of 1 texts were longer than 8 tokens and lost their tail (--long-text chunk" in message
    assert "1 rows were left out; see out.jsonl.rejected.jsonl" in message


def test_stored_prompt_becomes_the_instruction(texts, fake, capsys):
    assert main(["embed", "in.csv", "-o", "out.npy", "--prompt-name", "query", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contract"]["instructions"] == ["query: "]
    assert main(["embed", "in.csv", "-o", "other.npy", "--prompt-name", "nope"]) == 2
    assert "prompt_name is 'nope'; the prompts stored in fake are: query" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "none.csv", "-o", "out.npy"], "error: none.csv: no such file or folder"),
        (["embed", "in.csv", "-o", "out.xls"], "names no kind of output"),
        (
            ["embed", "in.csv", "-o", "out.npy", "--column", "body"],
            "no column 'body'; the columns are 'id', 'text'",
        ),
        (["embed", "in.csv", "-o", "in.csv.npy/out.npy"], "does not exist; create it first"),
        (["embed", "-", "-o", "out.npy"], "say what it is with --format"),
    ],
)
def test_bad_input_is_one_message_and_status_2(texts, fake, capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("instructvec: error: ")
    assert message in err
    assert sorted(path.name for path in texts.parent.iterdir()) == ["in.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["embedd"], "invalid choice: 'embedd'"),
        (["embed", "in.csv"], "required: -o/--output"),
        (["embed", "in.csv", "-o", "out.npy", "--threads", "none"], "'none' is not a whole number from 1"),
        (["embed", "in.csv", "-o", "out.npy", "--instruct", "x"], "unrecognized arguments: --instruct"),
        (
            ["embed", "in.csv", "-o", "o.npy", "--instruction", "x", "--instruction-column", "y"],
            "not allowed with",
        ),
    ],
)
def test_bad_usage_is_status_2(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_model_that_is_not_there(texts, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["embed", "in.csv", "-o", "out.npy", "--model", "./empty"]) == 2
    assert "empty" in capsys.readouterr().err


def test_full_disk_is_status_1(texts, fake, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("instructvec.corpus.files.os.fsync", full)
    assert main(["embed", "in.csv", "-o", "out.npy"]) == 1
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt, 130), (cli._Terminated, 143)])
def test_interruption_says_that_a_rerun_continues(texts, fake, capsys, stop, status):
    def interrupt(*arguments, **options):
        raise stop

    fake.encode_counted = interrupt
    assert main(["embed", "in.csv", "-o", "out.npy"]) == status
    assert "run the same command again to continue" in capsys.readouterr().err
    assert sorted(path.name for path in texts.parent.iterdir()) == ["in.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals on Windows")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_process_without_a_traceback(texts, sent, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "instructvec", "embed", "-", "--format", "txt", "-o", "out.npy"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # It waits for standard input, which stays open, once the copy of it is begun.
    while not Path("out.npy.partial", "stdin.new").exists():
        assert process.poll() is None
    process.send_signal(sent)
    message = process.communicate()[1]
    assert process.returncode == status
    assert "Traceback" not in message
    assert not Path("out.npy.partial").exists()


def test_reader_of_our_output_may_leave(texts):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "instructvec", "info", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_debug_shows_where(texts, fake):
    with pytest.raises(ValueError, match="no such file"):
        main(["embed", "none.csv", "-o", "out.npy", "--debug"])


def test_info(capsys):
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["dimension"], found["backend"]) == ("bundled", 384, "onnx")
    assert found["packages"]["numpy"]
    assert found["processors"]["usable"] >= 1
    assert main(["info"]) == 0
    assert "max_seq_length:  256" in capsys.readouterr().out


def test_info_shows_the_machine_although_the_model_cannot_be_opened(tmp_path, capsys):
    assert main(["info", "--model", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("python:")
    assert err.startswith("instructvec: error: ")


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_help_has_examples(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"examples:\n  instructvec {command}" in out
    assert "--json" in out


def test_top_help_lists_the_commands_and_imports_none(capsys):
    code = (
        "import sys; from instructvec.cli.main import main; status = main(['--help']);"
        "sys.exit(status or 'numpy' in sys.modules or 'instructvec.cli.embed' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in cli.COMMANDS:
        assert f"  {command}" in done.stdout
    assert main(["--version"]) == 0
