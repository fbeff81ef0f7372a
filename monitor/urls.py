"""URLs that hold a user and a password, read as people write them."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_QUERY = re.compile(r"\?[A-Za-z_][\w.-]*=[^?]*$")


def normalized(url: str) -> str:
    """``url`` with its user and password percent-encoded, so that every library reads the same ones.

    The user ends at the first colon and the password at the last ``@`` before the query, whatever stands in it:
    ``redis://:p@ss/word@host`` is the password ``p@ss/word``. What is percent-encoded already stays so.
    """
    parts = split_user(url)
    if parts is None:
        return url
    scheme, user, password, rest = parts
    userinfo = _encoded(user) if password is None else f"{_encoded(user)}:{_encoded(password)}"
    return f"{scheme}{userinfo}@{rest}"


def split_user(url: str) -> tuple[str, str, str | None, str] | None:
    """(scheme with ``://``, user, password, the rest from the host on); None where no user is named."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None
    query = _QUERY.search(url)
    end = url.rfind("@", scheme.end(), query.start() if query else len(url))
    if end < 0:
        return None
    user, colon, password = url[scheme.end() : end].partition(":")
    return scheme[0], user, password if colon else None, url[end + 1 :]


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="")
