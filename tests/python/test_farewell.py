"""What each step of a stop gets."""

from __future__ import annotations

from keelback.farewell import StopTimes


def test_the_supervisor_says_what_is_left() -> None:
    own = StopTimes(30)
    command = {"t": "stop", "finishMs": 1500, "cancelMs": 500, "shutdownMs": 250}
    assert own.told(command) == StopTimes(1.5, 0.5, 0.25)
    assert own.told(command).all == 2.25


def test_what_it_does_not_say_is_the_workers_own() -> None:
    own = StopTimes(30)
    assert own.told({"t": "stop"}) == own
    assert own.told({"t": "stop", "finishMs": 0}) == own._replace(finish=0)
