import json
import time
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from app.errors import InvalidRequest
from app.protocols.decode import MOST_LEVELS, MOST_VALUES, Unfolding, decode


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    size: Annotated[int, Meta(ge=1)] = 1


class Body(msgspec.Struct, forbid_unknown_fields=True):
    one: Inner
    many: list[Inner] = []
    free: Any = None
    by_name: dict[str, int] = {}


DECODER = msgspec.json.Decoder(Body)


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        decode(body, DECODER)
    return raised.value


def test_a_good_body_becomes_its_type():
    body = decode(b'{"one":{"name":"a"},"many":[{"name":"b","size":2}],"free":[null]}', DECODER)
    assert body == Body(Inner("a"), [Inner("b", 2)], [None])


@pytest.mark.parametrize(
    ("body", "param", "code", "said"),
    [
        (b'{"one":{"name":5}}', "one.name", "invalid_value", "one.name: expected `str`, got `int`."),
        (b'{"one":{"name":"a","size":0}}', "one.size", "invalid_value", "one.size: expected `int` >= 1."),
        (
            b'{"one":{"name":"a"},"many":[{"name":"b"},{"name":null}]}',
            "many[1].name",
            "invalid_value",
            "many[1].name: expected `str`, got `null`.",
        ),
        (b'{"one":[]}', "one", "invalid_value", "one: expected `object`, got `array`."),
        (
            b'{"one":{"name":"a"},"by_name":{"x":"y"}}',
            "by_name[...]",
            "invalid_value",
            "by_name[...]: expected `int`, got `str`.",
        ),
        (b"[]", None, "invalid_value", "The body: expected `object`, got `array`."),
        (b"{}", "one", "missing_parameter", "Missing required parameter: 'one'."),
        (b'{"one":{}}', "one.name", "missing_parameter", "Missing required parameter: 'one.name'."),
        (
            b'{"one":{"name":"a"},"many":[{}]}',
            "many[0].name",
            "missing_parameter",
            "Missing required parameter: 'many[0].name'.",
        ),
        (b'{"one":{"name":"a"},"two":1}', "two", "unknown_parameter", "Unknown parameter: 'two'."),
        (
            b'{"one":{"name":"a"},"many":[{"name":"b","x":1}]}',
            "many[0].x",
            "unknown_parameter",
            "Unknown parameter: 'many[0].x'.",
        ),
        (
            b'{"one":{"name":"a"},"by_name":{"x":1e999}}',
            "by_name[...]",
            "invalid_value",
            "by_name[...]: number out of range.",
        ),
    ],
)
def test_a_wrong_body_names_the_field(body: bytes, param: str | None, code: str, said: str):
    error = refused(body)
    assert (error.status, error.param, error.code, str(error)) == (400, param, code, said)


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b'{"name":5}', "list[2].name", "list[2].name: expected `str`, got `int`."),
        (b'{"name":"a","x":1}', "list[2].x", "Unknown parameter: 'list[2].x'."),
        (b"{}", "list[2].name", "Missing required parameter: 'list[2].name'."),
        (b"5", "list[2]", "list[2]: expected `object`, got `int`."),
    ],
)
def test_a_part_of_a_body_is_named_by_its_place(body: bytes, param: str, said: str):
    with pytest.raises(InvalidRequest) as raised:
        decode(body, msgspec.json.Decoder(Inner), "list[2]")
    assert (raised.value.param, str(raised.value)) == (param, said)


@settings(deadline=None, max_examples=100)
@given(st.text(min_size=1, max_size=150).filter(lambda name: name not in Body.__struct_fields__))  # shown whole
def test_an_unknown_field_is_named_whatever_its_name(name: str):
    error = refused(msgspec.json.encode({"one": {"name": "a"}, name: 1}))
    assert (error.param, error.code) == (name, "unknown_parameter")
    error = refused(msgspec.json.encode({"one": {"name": "a"}, "many": [{"name": "b", f"_{name}": 1}]}))
    assert (error.param, error.code) == (f"many[0]._{name}", "unknown_parameter")


@pytest.mark.parametrize("name", ["a\nb", "`", " - at `$.x`", "missing required field `one`", "", "."])
def test_a_name_made_to_look_like_a_place_is_still_the_name(name: str):
    assert refused(msgspec.json.encode({"one": {"name": "a"}, name: 1})).param == name


# threat 66
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"one":{"name":"a"}',
        b'{"one":{"name":"a"}}x',
        b"{'one': 1}",
        b'{"one":{"name":"a",}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"one":{"name":"\xff"}}',
        b'{"one":{"name":"\xed\xa0\x80"}}',  # a lone surrogate in UTF-8
        b'{"one":{"name":"\\ud800"}}',
        b'{"one":{"name":"\\udc00 \\ud800"}}',
        b'{"one":{"name":"a\x00b"}}',
        b'{"one":{"name":"a\nb"}}',
        b'{"one":{"name":"a"},"free":NaN}',
        b'{"one":{"name":"a"},"free":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\x1f\x8b\x08",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_not_json_is_refused_as_such(body: bytes):
    error = refused(body)
    assert (error.param, error.code) == (None, "invalid_json")
    assert len(str(error)) < 200


# threats 66 and 67
@pytest.mark.parametrize(
    "many",
    [
        b"[],",
        b"{},",
        b"1,",
        b'"a",',
        b'{"a":1},',
        b'["\\"", "\\\\"], ',
        pytest.param(b'"\\\\",1,', id="a backslash before the closing quote"),
    ],
)
def test_a_body_of_a_million_values_is_not_unfolded(many: bytes):
    body = b'{"one":{"name":"a"},"free":[' + many * 1_000_000 + b"0]}"
    begun = time.perf_counter()
    assert "more than 100000 values" in str(refused(body))
    assert time.perf_counter() - begun < 0.5  # of several seconds
    members = b",".join(b'"%d" : 0' % number for number in range(1_000_000))
    assert "more than 100000 values" in str(refused(b'{"one":{"name":"a"},"free":{' + members + b"}}"))


@pytest.mark.parametrize("text", ["1,2;[a],{b}\n", '"', '\\"', "\\", '{"a": ["b", "c"]}, '])
def test_a_long_text_is_one_value_whatever_is_in_it(text: str):
    name = text * 200_000
    assert decode(msgspec.json.encode({"one": {"name": name}}), DECODER).one.name == name


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_body_or_refused(body: bytes):
    with suppress(InvalidRequest):
        assert isinstance(decode(b'{"one":{"name":"a"},"free":' + body, DECODER), Body)


@pytest.mark.parametrize(("source", "value"), [('{"a": [1]}', {"a": [1]}), (msgspec.Raw(b'{"a":[1]}'), {"a": [1]})])
def test_json_of_a_form_of_its_own_is_unfolded(source: str | msgspec.Raw, value: Any):
    assert Unfolding().object(source, "here") == Unfolding().value(source, "here") == value


def not_unfolded(*sources: str) -> str:
    """The last one."""
    unfolding = Unfolding()
    for source in sources[:-1]:
        unfolding.object(source, "there")
    with pytest.raises(InvalidRequest) as raised:
        unfolding.object(sources[-1], "here")
    assert (raised.value.param, raised.value.code) == ("here", "invalid_value")
    return str(raised.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("[]", "must be a JSON object."),
        ("null", "must be a JSON object."),
        ("{", "must be valid JSON: "),
        ('{"a": NaN}', "must be valid JSON: "),
        ('{"a": "\\ud800"}', "must be valid JSON: "),
        ('{"a":' * 5000, "must be valid JSON: "),
    ],
)
def test_what_is_no_json_object_is_refused_by_its_place(source: str, said: str):
    assert not_unfolded(source).startswith(f"here {said}")


# threat 66
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply_is_refused_by_its_place(opening: str, closing: str):
    def nested(levels: int) -> str:
        return '{"a":' + opening * (levels - 2) + "1" + closing * (levels - 2) + "}"

    Unfolding().object(nested(MOST_LEVELS), "here")
    assert not_unfolded(nested(MOST_LEVELS + 1)) == "here is nested too deeply."


# threat 67
def test_what_is_too_much_in_sum_is_refused_before_it_is_read():
    half = '{"a":[' + "0," * (MOST_VALUES // 2) + "0]}"
    Unfolding().object(half, "here")
    assert "is too much" in not_unfolded(half, half)
    assert "is too much" in not_unfolded("[" * (MOST_VALUES + 1))


def test_a_long_text_within_arguments_is_one_value():
    table = "a,b,c\n" * 40_000
    unfolding = Unfolding()
    for _ in range(3):
        assert unfolding.value(json.dumps({"table": table}), "arguments") == {"table": table}
