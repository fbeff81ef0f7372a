"""The memory broker and the beat of the one-process mode: nothing is done while there is nothing to do."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer
from kombu import Queue as Named

from monitor.service import Service
from monitor.settings import load
from tests.fakes.hub import Replay, ReplayHub, until
from workers.app import beat_schedule, make_app
from workers.embedded import Beat
from workers.up import slow_down_after


class CountedLooks(Queue[Any]):
    """A queue of the broker that counts how often it is looked into."""

    looks = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        self.looks += 1
        return super().get(block, timeout)


@pytest.fixture
def connection() -> Connection:
    return make_app(load(_env_file=None)).connection_for_write()


def test_an_empty_queue_is_looked_into_once_a_wait(connection: Connection) -> None:
    with connection, connection.channel() as channel:
        queue = Named("idle-looks")(channel)
        queue.declare()
        channel.queues["idle-looks"] = counted = CountedLooks()
        with Consumer(channel, [queue], callbacks=[lambda *_: None]):
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    connection.drain_events(timeout=2.0)
        assert counted.looks == 2


def test_what_is_put_from_another_thread_is_delivered_at_once(connection: Connection) -> None:
    got: list[Any] = []

    def take(body: Any, message: Any) -> None:
        got.append(body)
        message.ack()

    with connection, connection.channel() as channel:
        queue = Named("idle-wakes")(channel)
        with Consumer(channel, [queue], callbacks=[take]):

            def put() -> None:
                with connection.clone() as other, other.channel() as its:
                    for number in range(3):
                        Producer(its).publish(number, routing_key="idle-wakes", declare=[queue(its)])

            threading.Thread(target=put).start()
            while len(got) < 3:
                try:
                    connection.drain_events(timeout=2.0)
                except TimeoutError:
                    continue
    assert got == [0, 1, 2]


def _entry(task: str, seconds: float) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "args": ("x",), "options": {"expires": seconds}}


def test_beat_sends_a_round_at_once_and_then_each_task_at_its_interval() -> None:
    sent: list[tuple[str, tuple[str, ...], float]] = []
    beat = Beat(
        lambda task, args, expires: sent.append((task, args, expires)), {"a": _entry("a", 0.02), "b": _entry("b", 600)}
    )
    beat.start()
    until(lambda: len(sent) > 5, what="some rounds")
    beat.stop()
    assert {one[0] for one in sent[:2]} == {"a", "b"}
    assert sent[0][1:] in {(("x",), 0.02), (("x",), 600)}
    assert Counter(one[0] for one in sent)["b"] == 1


def test_beat_goes_on_at_other_intervals() -> None:
    sent: list[str] = []
    beat = Beat(lambda task, **_: sent.append(task), {"a": _entry("a", 600), "b": _entry("b", 600)})
    beat.start()
    until(lambda: len(sent) == 2, what="the first round")
    beat.reschedule({"a": _entry("a", 0.02), "b": _entry("b", 600)})
    until(lambda: sent.count("a") > 3, what="more of one of them")
    beat.stop()
    assert sent.count("b") == 1


def test_a_demo_whose_recording_is_over_polls_as_seldom_as_up_does(tmp_path: Path) -> None:
    sent: list[tuple[Any, ...]] = []
    with ReplayHub(quota=1_000_000) as hub:
        settings = load(hf_endpoint=hub.endpoint, database_url=f"sqlite:///{tmp_path}/demo.db", hub_interval=0.05)
        service = Service(settings)
        window = service.ingest.launch_window
        beat = Beat(lambda task, args, **_: sent.append((task, *args)), beat_schedule(settings))
        beat.start()
        replay = Replay(hub, speed=1_000).start()
        slow_down_after(replay, service, beat, delay=0.0)
        assert replay.done.is_set()
        assert (service.settings.hub_interval, service.ingest.hub_interval) == (60, 60)
        assert service.ingest.launch_window == window
        polls = sent.count(("hub.poll", "created"))
        until(lambda: sent.count(("hub.hints",)) >= 2, what="two more seconds")
        assert sent.count(("hub.poll", "created")) <= polls + 1
        beat.stop()
