import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llvmlite import ir
from numba import njit

from protocols import clmul as module
from protocols.authentication.polynomial import multiply
from protocols.clmul import clmul, clmul_portable, word_at

WORD = st.integers(0, 2**64 - 1)


@njit
def products(a: np.uint64, b: np.uint64) -> npt.NDArray[np.uint64]:
    first, second = clmul(a, b), clmul_portable(a, b)
    return np.array([first[0], first[1], second[0], second[1]])


@settings(deadline=None, max_examples=500)  # the first call compiles
@given(WORD, WORD)
@example(2**64 - 1, 2**64 - 1)
def test_both_kernels_follow_the_definition(a: int, b: int) -> None:
    product = multiply(a, b, degree=200)  # never reduced
    high, low, portable_high, portable_low = products(np.uint64(a), np.uint64(b)).tolist()
    assert (high << 64) | low == product
    assert (portable_high << 64) | portable_low == product


@njit
def read(octets: npt.NDArray[np.uint8], at: int) -> np.uint64:
    return word_at(octets, at)


def test_words_are_read_from_any_byte() -> None:
    data = bytes(range(1, 30))
    for at in range(len(data) - 7):
        word = int(read(np.frombuffer(data, np.uint8), at))
        assert word.to_bytes(8, "big") == data[at : at + 8]


@pytest.mark.parametrize(
    ("architecture", "features", "instruction"),
    [
        ("x86_64", "+sse4.2,+pclmul", "llvm.x86.pclmulqdq"),
        ("x86_64", "+sse4.2,-pclmul", None),
        ("x86_64", "", None),
        ("aarch64", "+neon,+aes", "llvm.aarch64.neon.pmull64"),
        ("arm64", "+neon", None),
        ("riscv64", "+pclmul", None),
    ],
)
def test_the_instruction_is_used_only_where_it_is(
    architecture: str, features: str, instruction: str | None
) -> None:
    assert module._instruction(architecture, set(features.split(","))) == instruction


@pytest.mark.parametrize(
    ("triple", "features", "instruction", "mnemonic"),
    [
        ("aarch64-linux-gnu", "+neon,+aes", "llvm.aarch64.neon.pmull64", "pmull"),
        ("arm64-apple-darwin", "+neon,+aes", "llvm.aarch64.neon.pmull64", "pmull"),
        ("x86_64-linux-gnu", "+pclmul", "llvm.x86.pclmulqdq", "pclmulqdq"),
        ("aarch64-linux-gnu", "+neon", None, "umulh"),
    ],
)
def test_every_architecture_gets_its_instruction(
    monkeypatch: pytest.MonkeyPatch,
    triple: str,
    features: str,
    instruction: str | None,
    mnemonic: str,
) -> None:
    """Compiled for it, not run."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    monkeypatch.setattr(module, "INSTRUCTION", instruction)
    code = ir.Module()
    code.triple = triple
    word = ir.IntType(64)
    function = ir.Function(code, ir.FunctionType(ir.IntType(128), [word, word]), "product")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(module.build_product(builder, *function.args))
    machine = llvm.Target.from_triple(triple).create_target_machine(features=features)
    assert mnemonic in machine.emit_assembly(llvm.parse_assembly(str(code)))
