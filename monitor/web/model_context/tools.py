"""The tools that everyone may use, in the order in which they are shown."""

from __future__ import annotations

from monitor.web.model_context.audit_tools import AUDIT_TOOLS
from monitor.web.model_context.count_tools import COUNT_TOOLS
from monitor.web.model_context.filter_tools import FILTER_TOOLS
from monitor.web.model_context.lab_tools import LAB_TOOLS
from monitor.web.model_context.news_tools import NEWS_TOOLS
from monitor.web.model_context.release_tools import RELEASE_TOOLS
from monitor.web.model_context.tool import Tool

TOOLS: tuple[Tool, ...] = (
    *RELEASE_TOOLS, *NEWS_TOOLS, *COUNT_TOOLS, *LAB_TOOLS, *AUDIT_TOOLS, *FILTER_TOOLS
)  # fmt: skip
