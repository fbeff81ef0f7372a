"""How an email is written out: CRLF, seven bits, and addresses in headers left as they are."""

from __future__ import annotations

from email.headerregistry import HeaderRegistry, UniqueUnstructuredHeader
from email.policy import SMTP, EmailPolicy

_UNENCODED = (
    "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "List-Help", "List-Subscribe", "List-Archive",
    "Message-ID", "In-Reply-To", "References", "Feedback-ID",
)  # fmt: skip


class UnencodedHeader(UniqueUnstructuredHeader):
    """A header that is folded before its ``<…>`` alone.

    The library's own folding turns a word that is longer than a line into encoded words (RFC 2047), in which no
    mailbox provider looks for an address.
    """

    def fold(self, *, policy: EmailPolicy) -> str:
        """One address a line at the most, none of them changed."""
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
"""Also for servers without 8BITMIME."""
