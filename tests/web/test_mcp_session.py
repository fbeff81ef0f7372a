"""The question in docs/how-to/mcp.md is answered by tool calls alone, and as the page says."""

from __future__ import annotations

from tests.mcp_session import PAGE, session, written


def test_the_recorded_session_is_what_the_server_answers() -> None:
    made = session()
    assert written(PAGE.read_text()) == made, "run: python -m tests.mcp_session"
