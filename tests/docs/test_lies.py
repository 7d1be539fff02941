"""A page that says what is not so is found out."""

from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.page import Page
from tests.docs.transcript import PageError

SERVICE = """
```python
# service.py
import logging

from aiohttp import web


async def hello(request: web.Request) -> web.Response:
    logging.getLogger("hello").info("somebody is here")
    return web.Response(text="hello\\n")


app = web.Application()
app.router.add_get("/", hello)

if __name__ == "__main__":
    web.run_app(app)
```

```console
$ python service.py
$ curl localhost:8080/
hello
```
"""

TRUTHS = {
    "output": "```console\n$ echo one; echo two; echo three\none\n...\nthree\n```",
    "status": "```console\n$ false\n$ echo $?\n1\n```",
    "python": "```python\nassert await hello(None)\n```",
    "doctest": "```pycon\n>>> 1 + 1\n2\n```",
    "log": "```{code-block} text\n:caption: the log\n\nINFO:hello:somebody is here\n```",
    "another application": "```python\napp = web.Application()\n```\n"
    "```console\n$ curl localhost:8080/\n404: Not Found\n```",
    "json": '```json\n{"a": 1}\n```',
    "yaml": "```yaml\na: [1, 2]\n```",
    "toml": "```toml\na = 1\n```",
    "nginx": "```nginx\nlocation / { proxy_pass http://127.0.0.1:1; }\n```",
    "hidden": "<!-- invisible-code-block: python\nhidden = 1\n-->\n```python\nassert hidden\n```",
}

LIES = {
    "output": "```console\n$ echo one; echo two; echo three\none\ntwo\n```",
    "status": "```console\n$ false\n$ echo $?\n0\n```",
    "failure that is not shown": "```console\n$ false\n```",
    "python": "```python\nassert not hello\n```",
    "doctest": "```pycon\n>>> 1 + 1\n3\n```",
    "log": "```{code-block} text\n:caption: the log\n\nINFO:hello:nobody is here\n```",
    "another application": "```python\napp = web.Application()\n```\n"
    "```console\n$ curl localhost:8080/\nhello\n```",
    "json": "```json\n{'a': 1}\n```",
    "yaml": "```yaml\na: [1, 2\n```",
    "toml": "```toml\na = b\n```",
    "nginx": "```nginx\nlocation / { proxy_past http://127.0.0.1:1; }\n```",
    "hidden": "<!-- invisible-code-block: python\nassert False\n-->",
    "language": "```cobol\nSTOP RUN.\n```",
    "no language": "```\nsomething\n```",
    "no such file": "```console\n$ python missing.py\n```",
    "name of a module": "```python\n# json.py\nx = 1\n```",
}


def follow(text: str, folder: Path, request: pytest.FixtureRequest) -> None:
    path = folder / "page.md"
    path.write_text(SERVICE + text, encoding="utf-8")
    workplace = folder / "workplace"
    workplace.mkdir()
    Page("page.md", workplace, request.getfixturevalue).follow(blocks_of(path))


@pytest.mark.parametrize("name", TRUTHS)
def test_truth(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    follow(TRUTHS[name], tmp_path, request)


@pytest.mark.parametrize("name", LIES)
def test_lie(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with pytest.raises(PageError, match=r"page\.md, line \d+"):
        follow(LIES[name], tmp_path, request)
