"""Names in braces are filled in; all else stays as it is."""

import pytest

from instructvec.errors import ConfigError
from instructvec.tasks.prompt_template import PromptTemplate

COLUMNS = {"input": ["{output} or not"], "output": ["yes"], "the topic": [None]}


def test_columns_fill_their_names_once():
    template = PromptTemplate("[{the topic}] Q: {input}\nA: {output}!")
    assert template.names == ["the topic", "input", "output"]
    # What a text itself holds in braces is no name.
    assert template.examples(COLUMNS) == ["[] Q: {output} or not\nA: yes!"]
    assert template.questions(COLUMNS) == ["[] Q: {output} or not\nA:"]


def test_braces_of_json_stay():
    assert PromptTemplate('{"q": "{input}", "n": {1}}').examples(COLUMNS) == ['{"q": "{output} or not", "n": {1}}']


def test_without_an_output_the_question_is_the_whole():
    assert PromptTemplate("Q: {input} ").questions(COLUMNS) == ["Q: {output} or not "]


def test_unknown_names_are_refused_and_the_known_listed():
    with pytest.raises(ConfigError, match=r"\{topik\} is no column of the pool; known are \{input\}, \{output\}"):
        PromptTemplate("{input} {topik}").examples(COLUMNS)
    with pytest.raises(ConfigError, match=r"\{output\} is no column of the pool.*--output-column"):
        PromptTemplate("{input} {output}").examples({"input": ["a"]})
    with pytest.raises(ConfigError, match=r"has no \{input\}"):
        PromptTemplate("Q: {text}")
