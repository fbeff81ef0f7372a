"""An upgrade may rename tasks: messages of the old names are dropped, and nothing else is."""

from __future__ import annotations

from threading import Event

import pytest
from celery.contrib.testing.worker import start_worker

from monitor.settings import Settings
from workers.app import make_app


def test_a_message_of_a_task_that_is_gone_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(Settings())
    ran = Event()

    @app.task(name="hub.probe")  # type: ignore[untyped-decorator]
    def probe() -> None:
        ran.set()

    with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, loglevel="ERROR"):
        app.send_task("hub.renamed_long_ago")
        app.send_task("hub.probe")
        assert ran.wait(300)
    assert "hub.renamed_long_ago" in caplog.text
