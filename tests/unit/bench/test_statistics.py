from bench.performance.statistics import by_window, percentile, ratios, spread


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]

    assert [percentile(values, share) for share in (0.0, 0.2, 0.5, 0.99, 1.0)] == [1.0, 1.0, 3.0, 5.0, 5.0]


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([1.0, 10.0], [2.0, 20.0]) == [0.5, 0.5]


def test_values_are_sorted_into_windows_and_those_outside_are_left_out() -> None:
    attempts = [(9.9, 1.0), (10.0, 2.0), (14.9, 3.0), (15.0, 4.0), (20.0, 5.0)]

    assert by_window(attempts, opened=10.0, seconds=5.0, count=2) == [[2.0, 3.0], [4.0]]


def test_a_spread_of_large_values_has_no_fractions() -> None:
    assert spread([1.239, 0.5]) == "0.50 to 1.24"
    assert spread([1_700.4, 900.0]) == "900 to 1,700"
