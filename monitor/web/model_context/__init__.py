"""The MCP server (Model Context Protocol): the history for language models, over standard streams and over HTTP.

``tools`` and ``admin_tools`` are functions from arguments to answers; ``server`` is the only module that imports the
SDK, and ``endpoint`` serves it at ``/mcp``. See docs/how-to/mcp.md.
"""
