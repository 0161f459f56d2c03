"""WebSocket message assembly against RFC 6455: a table of cases, and every way to split one."""

import itertools
import tracemalloc
from collections.abc import Sequence

import pytest

from bookfeed.live.framing import (
    CLOSE_CODE_ABSENT,
    CloseCode,
    MessageAssembler,
    Opcode,
    ProtocolViolation,
    check_text,
    close_reason,
)

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE

Frame = tuple[int, bool, bytes]

MESSAGE = '{"événement":"книга","€":"𝄞","text":"plain"}'.encode()


def assemble(frames: Sequence[Frame], max_bytes: int = 1 << 20) -> list[bytes]:
    assembler = MessageAssembler(max_bytes)
    messages = [assembler.frame(opcode, fin, False, payload) for opcode, fin, payload in frames]
    assert not assembler.open
    return [message for message in messages if message is not None]


def violation(frames: Sequence[Frame], max_bytes: int = 1 << 20) -> int:
    assembler = MessageAssembler(max_bytes)
    for opcode, fin, payload in frames[:-1]:
        assembler.frame(opcode, fin, False, payload)
    opcode, fin, payload = frames[-1]
    with pytest.raises(ProtocolViolation) as caught:
        assembler.frame(opcode, fin, False, payload)
    return caught.value.code


def test_whole_text_message() -> None:
    assert assemble([(TEXT, True, MESSAGE)]) == [MESSAGE]


def test_every_split_into_two() -> None:
    for at in range(len(MESSAGE) + 1):
        frames = [(TEXT, False, MESSAGE[:at]), (CONT, True, MESSAGE[at:])]
        assert assemble(frames) == [MESSAGE], at


def test_every_split_into_three() -> None:
    for a, b in itertools.combinations_with_replacement(range(len(MESSAGE) + 1), 2):
        frames = [
            (TEXT, False, MESSAGE[:a]),
            (CONT, False, MESSAGE[a:b]),
            (CONT, True, MESSAGE[b:]),
        ]
        assert assemble(frames) == [MESSAGE], (a, b)


def test_one_byte_at_a_time_with_control_frames_between() -> None:
    frames: list[Frame] = [(TEXT, False, b"")]
    for byte in MESSAGE:
        frames += [(CONT, False, bytes([byte])), (PING, True, b"x" * 125), (PONG, True, b"")]
    frames += [(CONT, True, b""), (TEXT, True, b"next")]
    assert assemble(frames) == [MESSAGE, b"next"]


def test_empty_messages() -> None:
    assert assemble([(TEXT, True, b""), (TEXT, False, b""), (CONT, True, b"")]) == [b"", b""]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(CONT, True, b"x")], 1002),
        ([(CONT, False, b"x")], 1002),
        ([(TEXT, True, b"x"), (CONT, True, b"x")], 1002),
        ([(TEXT, False, b"x"), (TEXT, True, b"x")], 1002),
        ([(TEXT, False, b"x"), (TEXT, False, b"x")], 1002),
        ([(TEXT, False, b"x"), (BINARY, True, b"x")], 1002),
        ([(BINARY, True, b"x")], 1003),
        ([(BINARY, False, b"x")], 1003),
        ([(PING, False, b"x")], 1002),
        ([(CLOSE, False, b"")], 1002),
        ([(PING, True, b"x" * 126)], 1002),
        ([(PONG, True, b"x" * 126)], 1002),
        ([(CLOSE, True, b"\x03\xe8" + b"x" * 124)], 1002),
        ([(CLOSE, True, b"\x03")], 1002),
        ([(CLOSE, True, b"\x03\xe8\xff")], 1007),
        ([(3, True, b"x")], 1002),
        ([(7, False, b"x")], 1002),
        ([(11, True, b"")], 1002),
        ([(15, True, b"")], 1002),
        ([(TEXT, True, b"\xff")], 1007),
        ([(TEXT, False, b"ok"), (CONT, True, b"\xc3")], 1007),
        ([(TEXT, False, b"\xc3"), (CONT, True, b"A")], 1007),
        ([(TEXT, False, b"\xed"), (CONT, False, b"\xa0"), (CONT, False, b"\x80")], 1007),
        ([(TEXT, False, b"\xf4"), (CONT, False, b"\x90")], 1007),
        ([(TEXT, True, b"\xc0\xaf")], 1007),
        ([(TEXT, True, b"x" * 17)], 1009),
        ([(TEXT, False, b"x" * 10), (CONT, False, b"x" * 6), (CONT, False, b"x")], 1009),
    ],
)
def test_violations(frames: list[Frame], code: int) -> None:
    assert violation(frames, 16) == code


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONT, PING, PONG, CLOSE])
def test_reserved_bits_are_refused_on_every_frame(opcode: int) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        MessageAssembler().frame(opcode, True, True, b"")
    assert caught.value.code == 1002


def test_bad_text_is_refused_at_the_first_bad_fragment() -> None:
    assembler = MessageAssembler()
    assert assembler.frame(TEXT, False, False, b"good") is None
    with pytest.raises(ProtocolViolation) as caught:
        assembler.frame(CONT, False, False, b"\xff")
    assert caught.value.code == CloseCode.INVALID_TEXT


@pytest.mark.parametrize("fragment", [b"", b"ab"])
def test_fragments_without_end_take_no_more_than_what_they_hold(fragment: bytes) -> None:
    assembler = MessageAssembler(max_bytes=1 << 20)
    tracemalloc.start()
    try:
        assembler.frame(TEXT, False, False, b"")
        for _ in range(200_000):
            assembler.frame(CONT, False, False, fragment)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_size_is_counted_for_each_message_anew() -> None:
    assert assemble([(TEXT, False, b"x" * 9), (CONT, True, b"x" * 7)] * 5, 16) == [b"x" * 16] * 5


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        (b"", (CLOSE_CODE_ABSENT, "")),
        (b"\x03\xe8", (1000, "")),
        (b"\x03\xf0bad", (1008, "bad")),
        (b"\x03\xf6", (1014, "")),
        (b"\x0b\xb8", (3000, "")),
        (b"\x13\x87caf\xc3\xa9", (4999, "café")),
    ],
)
def test_close_reasons(payload: bytes, meaning: tuple[int, str]) -> None:
    assert close_reason(payload) == meaning


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_close_codes_that_must_not_be_sent(code: int) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        close_reason(code.to_bytes(2))
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


def test_check_text_says_where() -> None:
    check_text(MESSAGE)
    with pytest.raises(ProtocolViolation, match="byte 3"):
        check_text(b"abc\xff")
