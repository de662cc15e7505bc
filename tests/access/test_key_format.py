import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access import key_format
from app.access.key_format import KINDS, MistypedError, key_id, kind_of, make
from tests.support.sandbox import ROOT

BASE62 = string.digits + string.ascii_letters
seeds = st.binary(min_size=key_format.SEED_BYTES, max_size=key_format.SEED_BYTES)
kinds = st.sampled_from(sorted(KINDS))


# threat 40
@given(kinds, seeds)
def test_a_key_has_kind_id_secret_and_checksum(kind: str, seed: bytes):
    key = make(kind, seed)
    prefix, letter, name, rest = key.split("-")
    assert (prefix, letter) == ("sk", KINDS[kind])
    assert (len(name), len(rest)) == (10, 43 + 6)
    assert set(name + rest) <= set(BASE62)
    assert key_id(key) == name
    assert kind_of(key) == kind
    assert re.fullmatch(key_format.PATTERN, key)


@given(kinds, seeds, seeds)
def test_other_seeds_make_other_keys(kind: str, one: bytes, other: bytes):
    assert (make(kind, one) == make(kind, other)) == (one == other)


def test_each_key_is_made_of_new_randomness():
    made = {make("master") for _ in range(100)}
    assert len(made) == len({key_id(key) for key in made}) == 100
    assert 62**key_format.SECRET_LENGTH > 2**256


# threat 40: without asking the database
@settings(max_examples=300)
@given(kinds, seeds, st.data())
def test_a_letter_that_was_mistyped_is_noticed(kind: str, seed: bytes, data: st.DataObject):
    key = make(kind, seed)
    place = data.draw(st.integers(5, len(key) - 1).filter(lambda place: key[place] != "-"))
    letter = data.draw(st.sampled_from(BASE62).filter(lambda letter: letter != key[place]))
    with pytest.raises(MistypedError):
        key_id(key[:place] + letter + key[place + 1 :])


@given(kinds, seeds, st.integers(16, 64))
def test_a_key_that_was_cut_off_is_noticed(kind: str, seed: bytes, length: int):
    with pytest.raises(MistypedError):
        key_id(make(kind, seed)[:length])


@given(kinds, seeds, st.integers(5, 62))
def test_two_letters_in_the_wrong_order_are_noticed(kind: str, seed: bytes, place: int):
    key = make(kind, seed)
    turned = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    if turned != key and "-" not in key[place : place + 2]:
        with pytest.raises(MistypedError):
            key_id(turned)


@given(st.text(st.characters(exclude_categories=())))
def test_a_key_of_another_form_has_an_id_from_its_hash(text: str):
    assert re.fullmatch("[0-9A-Za-z]{10}", key_id(text))
    assert key_id(text) == key_id(text)
    assert kind_of(text) is None


def test_that_id_tells_nothing_of_the_hash_that_is_kept():
    text = "sk-A1b2C3d4E5f6G7h8I9j0"
    number = int.from_bytes(key_format.digest(text))
    low = [number // 62**place % 62 for place in range(60)]
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    assert key_id(text) not in "".join(digits[digit] for digit in low)


def test_the_published_pattern_finds_every_key_and_is_the_one_of_the_code():
    page = (ROOT / "docs/keys.md").read_text()
    (published,) = re.findall(r"```regex\n(.*)\n```", page)
    assert published == key_format.PATTERN
    keys = [make(kind) for kind in KINDS for _ in range(50)]
    text = "".join(f"KEY={key}\n'{key}', " for key in keys)
    assert re.findall(published, text) == [key for key in keys for _ in range(2)]
    others = ["sk-ant-api03-" + "a" * 90, "sk-proj-" + "b" * 60, "sk-" + "c" * 48, keys[0][:-1], keys[0] + "x"]
    assert not re.findall(published, "\n".join(others))
