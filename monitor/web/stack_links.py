"""Links of stacks: whoever has one sees the stack and updates it. They are signed, and end with the secret key."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated

from fastapi import HTTPException, Path, Request
from itsdangerous import BadSignature, Signer

from monitor.service import Service
from monitor.web.api import service_of

_TOKEN = re.compile(r"[A-Za-z0-9][\w.-]{0,59}\.[\w-]{20,100}", re.ASCII)


def stack_token(service: Service, name: str) -> str:
    """The token of the link of a stack."""
    return _signers(service)[0].sign(name).decode()


def stack_name(request: Request, token: Annotated[str, Path(max_length=200)]) -> str:
    """The stack that a link is of. Raises HTTPException (404) for a forged one."""
    for signer in _signers(service_of(request)) if _TOKEN.fullmatch(token) else ():
        try:
            return signer.unsign(token).decode()
        except BadSignature:
            continue
    raise HTTPException(404, "this link is invalid, or part of it is missing")


def _signers(service: Service) -> list[Signer]:
    return [Signer(key, salt="stack", digest_method=sha256) for key in service.settings.signing_keys()]
