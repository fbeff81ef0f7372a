"""The command ``mcp``."""

from __future__ import annotations

import hmac
import signal
import sys

import typer

from monitor.db import migrations
from monitor.service import Service
from monitor.settings import Settings, SettingsError, load
from monitor.web.model_context.endpoint import PATH, require_sdk


def add_to(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(epilog="Example: hub-monitor mcp --http --port 8000")(mcp)


def mcp(
    http: bool = typer.Option(False, "--http", help=f"Serve the pages, the API and {PATH} over HTTP instead."),
    host: str = typer.Option("127.0.0.1", help="Where to listen, with --http."),
    port: int = typer.Option(8000, min=0, max=65_535, help="0 takes any free one."),
) -> None:
    """Serves the history to language models (MCP), on standard input and output or over HTTP."""
    require_sdk()
    settings = load()
    is_admin = may_write(settings)
    service = Service(settings)
    migrations.upgrade(service.engine)
    if http:
        _serve_http(service, host, port)
    else:
        _serve_stdio(service, is_admin)


def may_write(settings: Settings) -> bool:
    """Whether the client gave the administrator's token. Raises SettingsError for a wrong one."""
    given, token = settings.mcp_token, settings.admin_token
    if given is None:
        return False
    if token is None:
        raise SettingsError("MONITOR_MCP_TOKEN: MONITOR_ADMIN_TOKEN is not set; unset both to read only")
    if not hmac.compare_digest(given.get_secret_value().encode(), token.get_secret_value().encode()):
        raise SettingsError("MONITOR_MCP_TOKEN: not the value of MONITOR_ADMIN_TOKEN; unset it to read only")
    return True


def _serve_stdio(service: Service, is_admin: bool) -> None:
    import anyio
    from mcp.server.stdio import stdio_server

    from monitor.web.model_context.server import make_server
    from monitor.web.model_context.tool import Caller

    if sys.stdin.isatty():
        print("hub-monitor: waiting for an MCP client on standard input; see docs/how-to/mcp.md", file=sys.stderr)
    server = make_server(Caller(service, is_admin))

    async def serve() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    # A thread waits for input, which nothing but its end interrupts; what is written is written in transactions.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(serve)
    service.dispose()


def _serve_http(service: Service, host: str, port: int) -> None:
    import uvicorn

    from monitor.web.app import create_app
    from monitor.web.connections import link_to, listen, server_config

    listening = listen(host, port)
    at = listening.getsockname()[1]
    if "public_url" not in service.settings.model_fields_set:
        link_to(service.settings, host, at)
    print(f"hub-monitor: MCP at {service.settings.public_url}{PATH}", file=sys.stderr)
    uvicorn.Server(server_config(create_app(service))).run([listening])
    service.dispose()
