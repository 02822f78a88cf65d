import pickle
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bits import check_packed, pack, packed_size, unpack
from protocols.errors import ParameterError
from protocols.secret import SecretBits

bit_lists = st.lists(st.integers(0, 1), max_size=200)


def array(bits: list[int]) -> np.ndarray:
    return np.array(bits, np.uint8)


def test_first_bit_is_the_most_significant() -> None:
    assert pack(array([1, 0, 0, 0, 0, 0, 0, 0, 1])) == b"\x80\x80"


@given(bit_lists)
def test_unpack_undoes_pack(bits: list[int]) -> None:
    packed = pack(array(bits))
    assert len(packed) == packed_size(len(bits))
    assert unpack(packed, len(bits)).tolist() == bits


@given(st.binary(max_size=8), st.integers(-3, 70))
def test_only_whole_zero_padded_strings_pass(data: bytes, count: int) -> None:
    value = int.from_bytes(data, "big")
    spare = 8 * len(data) - count
    if 0 <= spare < 8 and value % (1 << spare) == 0 and count >= 0:
        check_packed(data, count)
        assert pack(unpack(data, count)) == data
    else:
        with pytest.raises(ParameterError):
            check_packed(data, count)


@pytest.mark.parametrize("bits", [np.array([2], np.uint8), np.zeros((2, 2), np.uint8), np.zeros(3)])
def test_pack_refuses_what_is_not_bits(bits: np.ndarray) -> None:
    with pytest.raises(ParameterError):
        pack(bits)


def test_secret_bits_do_not_show() -> None:
    secret = SecretBits(b"\xde\xad\xbe\xe0", 28)
    assert repr(secret) == str(secret) == f"{secret}" == "<28 secret bits>"
    assert len(secret) == 28
    assert secret.reveal() == b"\xde\xad\xbe\xe0"
    assert secret == SecretBits(b"\xde\xad\xbe\xe0", 28)
    assert secret != SecretBits(b"\xde\xad\xbe\xe0", 29)
    assert secret != b"\xde\xad\xbe\xe0"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert "deadbee" not in shown.lower() and "\\xde" not in shown
    with pytest.raises(ParameterError):
        SecretBits(b"\x01", 7)
