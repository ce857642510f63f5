"""The table of commands."""

import inspect

import pytest

from willcall.cli.main import COMMANDS, load_command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    text = inspect.cleandoc(load_command(name).help)
    assert text.startswith(COMMANDS[name][3])
