import pytest
import typer

from willcall.cli.parameters import parse_duration, parse_since


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7_200), ("1d", 86_400), (" 1.5 h ", 5_400)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "-5m", "5 weeks", "1h30m", "0", "nan", "inf", "1e3", "367d", "9" * 400, "٣m"]
)
def test_any_other_value_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_duration(text)


def test_the_error_about_a_past_moment_names_both_forms() -> None:
    with pytest.raises(typer.BadParameter, match="such as 15m; or a time in ISO 8601, such as"):
        parse_since("abc")
