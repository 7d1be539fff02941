"""`python -m routeguard routes` and `explain`: on the tour, and on a shop with forty routes."""

import json
import re
from pathlib import Path

import pytest

from tests.server.command.commandline import SHOP, TOUR, answer, data, here, rows, run

# --- routes ---------------------------------------------------------------------------------------


def test_routes_of_the_tour() -> None:
    table = answer("routes", TOUR)

    by_route = rows(table)
    assert len(by_route) == 15
    report = by_route["GET /reports/{period}"]
    assert re.search(r" 0\.5 ", report) and "decorator" in report.splitlines()[1]
    assert "tour.api.report" in report
    assert re.search(r" yes$", by_route["POST /payments"].splitlines()[0])
    imports = by_route["POST /imports"]
    assert re.search(r" None ", imports) and "rule 1" in imports
    assert 'rule 1 "POST /imports"' in table.splitlines()  # the cell has no room for the pattern
    assert table.splitlines()[-1] == "15 routes; none of them has use"


@pytest.mark.parametrize("target", [TOUR, SHOP])
def test_routes_fits_a_hundred_columns_without_colour_where_it_is_piped(target: str) -> None:
    table = answer("routes", target)

    assert table.splitlines()[0].split()[:2] == ["METHOD", "PATH"]
    assert max(map(len, table.splitlines())) <= 100
    assert "\x1b" not in table
    assert "…" in table
    assert not re.search(r" $", table, re.MULTILINE)


def test_routes_shows_every_route_of_the_shop_under_its_application() -> None:
    lines = answer("routes", SHOP).splitlines()

    starts = [i for i, line in enumerate(lines) if re.match(r"([A-Z*]+) +/", line)]
    assert len(starts) == 40
    assert lines[-1] == "40 routes"
    admin = next(i for i, line in enumerate(lines) if re.fullmatch(r" {7}/admin", line))
    users = next(i for i, line in enumerate(lines) if re.fullmatch(r" {9}/users", line))
    domain = lines.index("       host help.example.com")
    assert admin < users < domain
    indents = {
        i: len(re.match(r"[A-Z*]+ +", lines[i])[0])  # type: ignore[index]
        for i in starts
    }
    assert {indents[i] for i in starts if i < admin} == {7}
    assert {indents[i] for i in starts if admin < i < users} == {9}
    assert {indents[i] for i in starts if users < i < domain} == {11}
    assert {indents[i] for i in starts if i > domain} == {9}


def test_routes_tells_what_applies_to_each_method_of_a_view() -> None:
    get, post, delete = (
        rows(here("routes", SHOP, "--path", "/api/cart", columns=200))[f"{method} /api/cart"]
        for method in ("GET", "POST", "DELETE")
    )
    assert "view method" in get and " 1 " in get
    assert "view method" in post and " 30 " in post
    assert "view method" not in delete and "view class" in delete


def test_routes_says_where_a_route_is_split_by_a_rule() -> None:
    lines = here("routes", SHOP, "--path", "/api/products").splitlines()

    start = next(i for i, line in enumerate(lines) if re.match(r"GET +/api/products/{id}", line))
    assert lines[start + 2].strip() == "split by rule 1"
    assert 'rule 1 "/api/products/special"' in lines
    assert any("see explain" in line for line in lines)


def test_only_and_path_narrow_the_table() -> None:
    table = answer("routes", SHOP, "--only", "cors,timeout", "--path", "/api/products")

    assert table.split("\n")[0].split() == ["METHOD", "PATH", "CORS", "TIMEOUT"]
    assert list(rows(table)) == [
        "GET /api/products",
        "GET /api/products/{id}",
        "POST /api/products",
        "DELETE /api/products/{id}",
    ]
    assert 'rule 3 "/api/*"' in rows(table)["POST /api/products"]
    assert "exempt" in rows(table)["DELETE /api/products/{id}"]


def test_a_path_is_narrowed_by_whole_segments() -> None:
    assert rows(here("routes", SHOP, "--path", "/api/prod")) == {}
    assert here("routes", SHOP, "--path", "/nowhere") == "no route\n"
    callbacks = {"POST /callback", "POST /callback/later"}
    assert set(rows(here("routes", SHOP, "--path", "/callback/*"))) == callbacks
    assert set(rows(here("routes", SHOP, "--path", "callback"))) == callbacks
    assert here("routes", SHOP, "--path", "/") == answer("routes", SHOP)
    users = json.loads(here("routes", SHOP, "--path", "/admin/users/", "--json"))
    assert len(users["routes"]) == 6


@pytest.mark.parametrize(("columns", "cut"), [(20, True), (40, True), (80, False), (400, False)])
def test_routes_fits_other_terminals(columns: int, cut: bool) -> None:
    text = here("routes", SHOP, columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    assert ("…" in text) is cut
    if columns <= 80:  # too narrow for a table: one policy a line
        assert re.search(r"^  timeout  \S.*$", text, re.MULTILINE)
    if columns == 40:  # of what is too long the place is kept
        assert re.search(r"^  cors     .{8,}…  decorator$", text, re.MULTILINE)


def test_routes_as_data() -> None:
    told = data("routes", SHOP)

    assert told["kinds"] == "https cors errors csrf audited timeout shield use".split()
    assert len(told["routes"]) == 40
    routes = {(",".join(one["methods"]), one["path"]): one for one in told["routes"]}
    product = routes["GET,HEAD", "/api/products/{id}"]
    assert product["policies"]["timeout"] == {
        "applies": ["timeout(2)"],
        "considered": [
            {"policy": "timeout(2)", "place": "decorator", "verdict": "applies"},
            {"policy": "timeout(30)", "place": "fallback", "verdict": "decorator is nearer"},
        ],
        "note": "",
    }
    assert product["split_by"] == ['rule 1 "/api/products/special"']
    assert product["handler"] == "tests.server.command.shop.product"
    assert routes["GET,HEAD", "/static"]["handler"].startswith("files in /")
    assert routes["*", "/api/anything"]["mounts"] == []
    user = routes["DELETE", "/admin/users/{id}"]
    assert (user["mounts"], user["relative_path"]) == (["/admin", "/admin/users"], "/{id}")
    assert user["policies"]["use"]["applies"] == ["use(login)"]
    assert routes["GET,HEAD", "/{topic}"]["mounts"] == ["host help.example.com"]
    quarter = routes["GET,HEAD", "/reports/{year}/{quarter}"]
    assert re.fullmatch(r"/reports/\d{4}/q[1-4]", quarter["example"])


def test_data_is_narrowed_as_the_table_is() -> None:
    told = json.loads(here("routes", SHOP, "--only", "cors", "--path", "/static", "--json"))

    assert told["kinds"] == ["cors"]
    (static,) = told["routes"]
    assert list(static["policies"]) == ["cors"]
    assert static["policies"]["cors"]["applies"] == ["cors('*')"]


# --- explain --------------------------------------------------------------------------------------


def test_explain_on_the_tour() -> None:
    text = answer(
        "explain", TOUR, "put", "/ledger/7", "--origin", "https://evil.example",
        "--header", "X-Forwarded-Proto: https",
    )  # fmt: skip

    assert text.startswith("PUT /ledger/7\n")
    assert "route      /ledger/{entry} -> examples.tour.api.book" in text
    assert re.search(r"cors +cors\(\['https://books.example.com'\]\) +\(decorator\)", text)
    loser = "not cors(['http://127.0.0.1:*', 'http://localhost:*']) (fallback): decorator is nearer"
    assert loser in " ".join(text.split())
    assert "origin     refused: the origin is not allowed" in text
    assert "preflight  403: the origin is not allowed" in text
    assert "scheme     https, if the proxy is among" in text
    assert max(map(len, text.splitlines())) <= 100


def test_explain_by_host_and_as_data() -> None:
    question = ("explain", SHOP, "GET", "/cats", "--json", "--host")
    on_host = json.loads(here(*question, "help.example.com"))
    elsewhere = json.loads(here(*question, "example.com"))

    assert (on_host["route"], on_host["status"]) == ("/{topic}", None)
    assert (elsewhere["route"], elsewhere["status"]) == (None, 404)
    assert on_host["policies"]["timeout"]["applies"] == ["timeout(30)"]


def test_explain_takes_several_headers() -> None:
    question = (
        "explain", SHOP, "POST", "/api/cart", "--header", "Sec-Fetch-Site: cross-site",
        "--header", "X-Forwarded-Proto:https", "--header", "X-Forwarded-Proto:  http", "--json",
    )  # fmt: skip
    told = json.loads(here(*question))

    assert told["scheme"].startswith("http") and not told["scheme"].startswith("https")
    assert any("cross-site" in note for note in told["notes"])


def test_explain_of_a_path_that_no_route_has_is_an_answer_too() -> None:
    text = here("explain", SHOP, "GET", "/api/nowhere")

    assert "404: no route" in text
    assert 'rule 3 "/api/*"' in text


def test_a_predicate_that_needs_a_server_is_told_of_without_noise(
    tmp_path: Path,
) -> None:
    (tmp_path / "needy.py").write_text(NEEDY)
    done = run("explain", "needy:app", "GET", "/", "--origin", "https://a.example", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "the predicate reads request.app: only a running server can tell" in done.stdout


NEEDY = """
from aiohttp import web
import routeguard

app = web.Application()
routeguard.setup(app, routeguard.cors(lambda origin, request: origin in request.app))
"""
