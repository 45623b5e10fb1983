from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelback import _wire
from keelback.errors import ProtocolError
from keelback.frames import KNOWN_TYPES, FrameReader, pack

VECTORS = Path(__file__).parents[1] / "vectors" / "wire"


def vectors(name: str) -> list[Any]:
    cases = json.loads((VECTORS / f"{name}.json").read_text())
    return [pytest.param(case, id=case["name"]) for case in cases]


def expected(case: Any) -> list[Any]:
    return [
        (f["stream"], f["type"], f["flags"], f["aux"], bytes.fromhex(f["payload"]))
        for f in case["frames"]
    ]


@pytest.mark.parametrize("case", vectors("frames"))
def test_frames_are_decoded_and_encoded(case: Any) -> None:
    data = bytes.fromhex(case["bytes"])
    frames = expected(case)
    assert FrameReader().feed(data) == frames
    assert b"".join(pack(*frame) for frame in frames) == data


@pytest.mark.parametrize("case", vectors("frames"))
def test_frames_are_decoded_byte_by_byte(case: Any) -> None:
    reader = FrameReader()
    data = bytes.fromhex(case["bytes"])
    frames = [frame for n in range(len(data)) for frame in reader.feed(data[n : n + 1])]
    assert frames == expected(case)


@pytest.mark.parametrize("case", vectors("splits"))
def test_frames_are_complete_in_the_piece_that_ends_them(case: Any) -> None:
    reader = FrameReader()
    counts = []
    frames = []
    for piece in case["pieces"]:
        found = reader.feed(bytes.fromhex(piece))
        counts.append(len(found))
        frames += found
    assert counts == case["counts"]
    assert frames == expected(case)


@pytest.mark.parametrize("case", vectors("invalid"))
def test_invalid_bytes_are_refused(case: Any) -> None:
    reader = FrameReader()
    data = bytes.fromhex(case["bytes"])
    frames = []
    with pytest.raises(ProtocolError, match=case["error"]):  # noqa: PT012
        for n in range(len(data)):
            frames += reader.feed(data[n : n + 1])
    assert frames == expected(case)
    with pytest.raises(ProtocolError):
        reader.feed(pack(0, _wire.PING))


def test_frames_in_front_of_an_error_still_count() -> None:
    reader = FrameReader()
    assert len(reader.feed(pack(0, _wire.PING) + pack(1, 99))) == 1
    with pytest.raises(ProtocolError, match="99"):
        reader.feed(b"")


def test_a_read_of_plain_requests_is_told_from_others() -> None:
    reader = FrameReader()
    request = pack(1, _wire.REQUEST, _wire.FLAG_END, 11, b"head")
    for data, expected in (
        (request + request, True),
        (request + pack(0, _wire.PING), False),
        (request + request[:5], True),
        (request[5:] + pack(2, _wire.REQUEST, 0, 11, b"head"), False),
    ):
        reader.feed(data)
        assert reader.only_requests is expected
    reader.feed(request + pack(0, 99))
    assert not reader.only_requests


FRAMES = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.sampled_from(sorted(KNOWN_TYPES)),
        st.integers(0, 255),
        st.integers(0, 65535),
        st.binary(max_size=300),
    ),
    max_size=12,
)


@given(FRAMES, st.lists(st.integers(0, 4000), max_size=8))
def test_splitting_makes_no_difference(frames: list[Any], cuts: list[int]) -> None:
    data = b"".join(pack(*frame) for frame in frames)
    reader = FrameReader()
    found = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        found += reader.feed(data[at : max(at, cut)])
        at = max(at, cut)
    assert found == frames


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_random_bytes_raise_nothing_but_protocol_errors(pieces: list[bytes]) -> None:
    split, whole = (outcome(parts) for parts in (pieces, [b"".join(pieces)]))
    assert split == whole


def outcome(parts: list[bytes]) -> tuple[list[Any], bool]:
    reader = FrameReader()
    frames: list[Any] = []
    try:
        for part in [*parts, b""]:
            frames.extend(reader.feed(part))
    except ProtocolError:
        return frames, True
    return frames, False
