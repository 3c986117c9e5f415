"""What is sealed opens with its key in its place, and nowhere else."""

import pickle
import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referrals.personal_data.sealing import (
    DataKey,
    IndexKey,
    MasterKey,
    MasterKeyInvalid,
    Place,
    SealBroken,
    generate_master_key,
)
from referrals.values import Identity

PLACE = Place("client", "sealed_identity", UUID(int=7))


@given(st.binary(max_size=2_000), st.uuids())
def test_what_is_sealed_opens_again(plain: bytes, id_: UUID) -> None:
    key = DataKey.generate()
    place = Place("client", "sealed_identity", id_)

    assert key.open(key.seal(plain, place), place) == plain


@given(st.binary(min_size=20, max_size=200))
def test_the_sealed_bytes_do_not_show_the_text(plain: bytes) -> None:
    assert plain not in DataKey.generate().seal(plain, PLACE)


def test_sealing_twice_gives_different_bytes() -> None:
    key = DataKey.generate()

    assert key.seal(b"same", PLACE) != key.seal(b"same", PLACE)


@pytest.mark.parametrize(
    "other",
    [
        Place("client", "sealed_identity", UUID(int=8)),
        Place("client", "sealed_contact", UUID(int=7)),
        Place("referral_package", "sealed_identity", UUID(int=7)),
    ],
)
def test_a_seal_moved_elsewhere_does_not_open(other: Place) -> None:
    key = DataKey.generate()

    with pytest.raises(SealBroken):
        key.open(key.seal(b"text", PLACE), other)


def test_another_key_does_not_open() -> None:
    with pytest.raises(SealBroken):
        DataKey.generate().open(DataKey.generate().seal(b"text", PLACE), PLACE)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_seal_does_not_open(data: st.DataObject) -> None:
    key = DataKey.generate()
    sealed = bytearray(key.seal(b"a text about somebody", PLACE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealBroken):
        key.open(bytes(sealed), PLACE)


@given(st.binary(max_size=40))
def test_bytes_that_were_never_sealed_do_not_open(junk: bytes) -> None:
    with pytest.raises(SealBroken):
        DataKey.generate().open(junk, PLACE)


def test_values_keep_their_type() -> None:
    key = DataKey.generate()
    identity = Identity(family_name="P-001", other_names=("ፀጋይ",))

    assert key.open_value(key.seal_value(identity, PLACE), Identity, PLACE) == identity


def test_a_master_key_is_read_from_the_text_it_was_written_as() -> None:
    text = generate_master_key()

    assert MasterKey.parse(f" {text}\n").id == MasterKey.parse(text).id
    assert MasterKey.parse(text).id != MasterKey.parse(generate_master_key()).id


@pytest.mark.parametrize("text", ["", "secret", "ä" * 44, "AAAA", "A" * 43 + "=" + "A"])
def test_what_is_no_master_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(MasterKeyInvalid) as caught:
        MasterKey.parse(text)

    assert not text or text not in str(caught.value)


def test_keys_never_show() -> None:
    text = generate_master_key()
    master, data = MasterKey.parse(text), DataKey.generate()

    for key in (master, data, IndexKey(b"k" * 32)):
        assert text not in repr(key)
        assert not re.search(r"\bb'", repr(key))  # no bytes; the hexadecimal id may end in b
        assert "k" * 8 not in repr(key)
        assert repr(key) == f"{key}"
        with pytest.raises(TypeError):
            pickle.dumps(key)


def test_the_name_index_differs_per_organisation() -> None:
    one, other = IndexKey(b"1" * 32), IndexKey(b"2" * 32)

    assert one.digest("ali") == one.digest("ali")
    assert one.digest("ali") != other.digest("ali")
    assert len(one.digest("ali")) == 16
    assert one.digests(["b", "a", "a"]) == one.digests({"a", "b"})


def test_a_wrapped_key_is_bound_to_its_person() -> None:
    master, key, person = MasterKey.parse(generate_master_key()), DataKey.generate(), uuid4()
    wrapped = master.wrap(key, Place("client_key", "wrapped", person))

    with pytest.raises(SealBroken):
        master.open(wrapped, Place("client_key", "wrapped", uuid4()))
