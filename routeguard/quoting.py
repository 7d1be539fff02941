"""What clients wrote, made fit for a line of a log."""

__all__ = ["quoted"]

LONGEST = 200


def quoted(text: str) -> str:
    """A text on one line, in ASCII, and shortened: no client writes into the log by itself."""
    return ascii(text[:LONGEST])[1:-1] + ("…" if len(text) > LONGEST else "")
