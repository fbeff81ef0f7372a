"""How an email is serialized: CRLF, 7-bit, with addresses in headers left unencoded."""

from __future__ import annotations

from email.headerregistry import HeaderRegistry, UniqueUnstructuredHeader
from email.policy import SMTP, EmailPolicy

_UNENCODED = (
    "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "List-Help", "List-Subscribe", "List-Archive",
    "Message-ID", "In-Reply-To", "References", "Feedback-ID",
)  # fmt: skip


class UnencodedHeader(UniqueUnstructuredHeader):
    """A header that is folded only before ``<…>``.

    The standard library encodes a word that is longer than a line (RFC 2047), and mailbox providers do not decode
    addresses.
    """

    def fold(self, *, policy: EmailPolicy) -> str:
        """The header with at most one address a line, each unchanged."""
        text = str(self)
        if not text.isascii():
            raise ValueError(f"{self.name}: ASCII expected")  # type: ignore[attr-defined]
        folded = text.replace(" <", f"{policy.linesep} <")
        return f"{self.name}: {folded}{policy.linesep}"  # type: ignore[attr-defined]


def _registry() -> HeaderRegistry:
    made = HeaderRegistry()
    for name in _UNENCODED:
        made.map_to_type(name.lower(), UnencodedHeader)  # type: ignore[arg-type]  # the registry mixes BaseHeader in
    return made


POLICY = SMTP.clone(cte_type="7bit", header_factory=_registry())
"""7-bit, so that servers without 8BITMIME accept it."""
