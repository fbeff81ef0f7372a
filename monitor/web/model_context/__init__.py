"""The MCP server (Model Context Protocol): the history for language models, over standard streams and over HTTP.

Tools are functions from arguments to answers, in a module for each topic (``release_tools``, …); ``tools`` lists those
that everyone may use, ``admin_tools`` the others. ``server`` is the only module that imports the SDK, and ``endpoint``
serves it at ``/mcp``. See docs/how-to/mcp.md.
"""
