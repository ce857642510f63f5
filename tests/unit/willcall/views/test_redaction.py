"""What people see of codes and references."""

from willcall.views.redaction import redacted, visible_reference


def test_a_code_is_shown_by_its_end_and_a_short_one_not_at_all() -> None:
    assert [redacted(code) for code in ("0123456789012", "1234567", "123456", "1", "")] == [
        "•••012",
        "•••567",
        "•••",
        "•••",
        "•••",
    ]


def test_only_references_that_grant_access_to_tickets_are_redacted() -> None:
    assert visible_reference("tiqets", "1111111") == "1111111"
    assert visible_reference("voordemensen", "XgFca-QmBxG-9WhAj") == "•••hAj"
    assert visible_reference("paylogic", "code:8663092874701@4f6cc8be") == "•••8be"
    assert visible_reference("of-a-plugin-that-is-gone", "1111111") == "•••111"
    assert visible_reference("voordemensen", "") == "", "of an erased order"
