"""Bytes of a row of each table that grows, with its indexes, on both databases; and what a year of the Hub comes to.

Of 10,000 releases in the distributions of the recorded models. The rows of the other tables are written here, as large
as those of the recorded month.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, text

from monitor import db
from monitor.models import Adoption, Change, Delivery, Feed, FeedEntry, ReleaseRevision
from monitor.notify.subscriptions import SubscriptionCreate, subscribe
from tests.benchmarks._million import databases

NUMBER = 10_000
TAGS = ["transformers", "safetensors", "qwen3", "text-generation", "conversational", "base_model:Qwen/Qwen3-8B",
        "base_model:finetune:Qwen/Qwen3-8B", "license:apache-2.0", "endpoints_compatible", "region:us"]  # fmt: skip
MOMENT = db.now()
BEFORE = {"tags": TAGS}


def size(engine: Engine) -> int:
    """Bytes of the whole database."""
    if engine.dialect.name == "sqlite":
        with db.reading(engine) as session:
            free = session.execute(text("PRAGMA freelist_count")).scalar_one()
            pages = session.execute(text("PRAGMA page_count")).scalar_one()
            return int((pages - free) * session.execute(text("PRAGMA page_size")).scalar_one())
    with db.reading(engine) as session:
        return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def rows() -> dict[str, Callable[[int], tuple[Any, dict[str, Any]]]]:
    """For each kind of row: its table and its columns, by a number."""
    at = MOMENT - timedelta(days=100)
    return {
        "older value (tags of a changed card)": lambda n: (
            ReleaseRevision, {"release_id": n % NUMBER + 1, "at": at + timedelta(seconds=n), "before": BEFORE}
        ),
        "change": lambda n: (
            Change,
            {"release_id": n % NUMBER + 1, "at": at + timedelta(seconds=n), "field": "license", "before": "mit",
             "after": "apache-2.0", "reason": "modified", "waiting": False},
        ),
        "day of a tracked release": lambda n: (
            Adoption,
            {"release_id": n % 1_000 + 1, "day": (at + timedelta(days=n // 1_000)).date().isoformat(),
             "downloads": 12_345 + n, "likes": n % 500, "derivatives": n % 90,
             "downloads_all_time": 1_234_567 + n, "hub_finetunes": n % 40, "hub_adapters": n % 30, "hub_merges": n % 10,
             "hub_quantized": n % 10},
        ),
        "delivery": lambda n: (
            Delivery,
            {"subscription_id": "bench", "target_id": 1, "release_id": n % NUMBER + 1, "event": f"released:{n}",
             "state": "sent", "created_at": at, "due_at": at, "attempts": 1, "sent_at": at, "digest": False,
             "message": f"{n:032x}", "receipt": "C0123456789:1764340000.123456", "trace": f"{n:032x}"},
        ),
        "entry of a feed": lambda n: (
            FeedEntry,
            {"feed_url": "https://x.example/f", "entry_id": f"https://x.example/blog/{n:08}", "seen_at": at,
             "url": f"https://x.example/blog/{n:08}", "title": "Introducing a model " * 3, "summary": "word " * 60,
             "repo_ids": []},
        ),
    }  # fmt: skip


def measured(engine: Engine) -> dict[str, float]:
    """Bytes of one row of each kind."""
    with db.transaction(engine) as session:
        made = subscribe(session, SubscriptionCreate("terminal", "bench"))
        session.flush()
        session.execute(text("UPDATE subscription SET id = 'bench' WHERE id = :id"), {"id": made.id})
        session.add(Feed(url="https://x.example/f", location="https://x.example/f", due_at=MOMENT))
    found = {}
    for kind, make in rows().items():
        before = size(engine)
        for start in range(0, NUMBER, 1_000):
            some = [make(number) for number in range(start, start + 1_000)]
            with db.transaction(engine) as session:
                session.execute(insert(some[0][0]), [columns for _, columns in some])
        found[kind] = (size(engine) - before) / NUMBER
    return found


def main() -> None:
    with databases(NUMBER) as urls:
        for dialect, url in urls.items():
            engine = db.make_engine(url)
            print(f"{dialect}: 10,000 releases {size(engine) / 1e6:.1f} MB", flush=True)
            for kind, each in measured(engine).items():
                print(f"{dialect}: {kind} {each:.0f} bytes", flush=True)
            engine.dispose()
            if dialect == "sqlite":
                Path(url.removeprefix("sqlite:///")).unlink()


if __name__ == "__main__":
    main()
