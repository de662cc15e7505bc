import pytest

from app.admin import texts

AT = 1_795_000_000.9  # 18 Nov 2026, 11:06:40 UTC


def test_a_time_reads_for_machines_for_people_and_for_fields():
    assert texts.iso(AT) == "2026-11-18T11:06:40Z"
    assert texts.moment(AT) == "18 Nov 2026, 11:06 UTC"
    assert texts.field_time(AT) == "2026-11-18T11:06"
    assert texts.field_time(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "no time"),
        (0.4, "no time"),
        (1, "1 second"),
        (95, "1 minute 35 seconds"),
        (86400, "1 day"),
        (90_061, "1 day 1 hour"),
    ],
)
def test_a_span_names_its_two_largest_units(seconds: float, text: str):
    assert texts.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 KB"), (48_300_000_000, "48 GB"), (5e15, "5000 TB")],
)
def test_a_size_is_short(count: float, text: str):
    assert texts.size(count) == text
