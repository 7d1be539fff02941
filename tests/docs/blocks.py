"""The code blocks of a page, in order, each with its language and line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.abstract.lexers import LexerCollection
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer
from sybil.parsers.myst.lexers import DirectiveInPercentCommentLexer, DirectiveLexer

__all__ = ["ROOT", "Block", "blocks_of", "pages"]

ROOT = Path(__file__).resolve().parents[2]

# Plain fences, MyST directives, and blocks that only the tests see, in a comment.
LEXERS = LexerCollection(
    [
        FencedCodeBlockLexer(r"[\w+-]*", {"language": "arguments", "source": "source"}),
        DirectiveLexer("(sourcecode|code-block|code)", r"[\w+-]+"),
        DirectiveInPercentCommentLexer("invisible-code-block", r"\w+"),
        DirectiveInHTMLCommentLexer("invisible-code-block", r"\w+"),
    ]
)

INCLUDE = re.compile(
    r"^```\{include\} (?P<path>\S+\.md)\n(?P<options>(?::.*\n)*)```$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Block:
    """One code block."""

    language: str
    source: str
    line: int
    caption: str

    @property
    def file_name(self) -> str | None:
        """The file that a block is, where its first line is a comment with just its name."""
        first = self.source.partition("\n")[0]
        name = first.removeprefix("# ")
        return (
            name if name != first and name.endswith((".py", ".toml")) and " " not in name else None
        )


def pages() -> list[Path]:
    """README and every page of the documentation."""
    written = (ROOT / "docs").rglob("*.md")
    return [ROOT / "README.md", *sorted(one for one in written if "_build" not in one.parts)]


def blocks_of(path: Path) -> list[Block]:
    """The code blocks of a page."""
    document = Document(_with_included(path), str(path))
    regions: Iterable[Region] = LEXERS(document)
    for region in regions:
        document.add(region)
    return [
        Block(
            language=example.region.lexemes["arguments"] or "",
            source=str(example.region.lexemes["source"]),
            line=example.line,
            caption=(example.region.lexemes.get("options") or {}).get("caption", ""),
        )
        for example in document.examples()
    ]


def _with_included(path: Path) -> str:
    """A page's text, with what it includes of other pages in place."""

    def included(directive: re.Match[str]) -> str:
        text = (path.parent / directive["path"]).read_text(encoding="utf-8")
        options = dict(re.findall(r"^:([a-z-]+): *(.*)$", directive["options"], re.MULTILINE))
        if (mark := options.get("start-after")) is not None:
            text = text[text.index(mark) + len(mark) :]
        if (mark := options.get("end-before")) is not None:
            text = text[: text.index(mark)]
        return text

    return INCLUDE.sub(included, path.read_text(encoding="utf-8"))
