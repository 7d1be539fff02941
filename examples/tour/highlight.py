"""Python source as HTML: everything escaped, what helps reading in spans."""

import keyword
import tokenize
from html import escape
from io import StringIO

CLASSES = {tokenize.STRING: "str", tokenize.NUMBER: "num", tokenize.COMMENT: "com"}


def highlight(source: str) -> str:
    lines = source.splitlines(keepends=True)
    html: list[str] = []
    row, column = 1, 0
    decorator = False
    for token in tokenize.generate_tokens(StringIO(source).readline):
        html.append(escape(_between(lines, (row, column), token.start)))
        row, column = token.end
        decorator = token.string == "@" or (decorator and token.type == tokenize.NAME)
        html.append(_marked(token, decorator))
    return "".join(html)


def _marked(token: tokenize.TokenInfo, decorator: bool) -> str:
    text = escape(token.string)
    name = "dec" if decorator else CLASSES.get(token.type, "")
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        name = "key"
    return f'<span class="{name}">{text}</span>' if name and text.strip() else text


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """The white space that no token holds."""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]] if start[0] <= len(lines) else ""
    first, *rest = lines[start[0] - 1 : end[0]]
    if not rest:
        return first[start[1] :]
    return first[start[1] :] + "".join(rest[:-1]) + rest[-1][: end[1]]
