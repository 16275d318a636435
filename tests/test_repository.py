"""What stands around the book: commands, licences, workflows, addresses."""

import ast
import fnmatch
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from laidout_book.latex.builder import PACKAGES

ROOT = Path(__file__).parent.parent
VENDORED = ROOT / "book" / "_static" / "vendor"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

BOOK_COMMAND = "python3 -m pip install nox && python3 -m nox -s book -- --open"
TESTS_COMMAND = "python3 -m nox -s tests"
SCREEN = 30
"""How many lines of the README a reader sees first."""

NAMES_SESSIONS = [
    "README.md",
    "CONTRIBUTING.md",
    ".ci/run",
    *(path.relative_to(ROOT).as_posix() for path in WORKFLOWS),
]
EXAMPLE_HOST = re.compile(
    r"https?://([\w-]+\.)*(example\.(com|net|org)|[\w-]+\.(invalid|test))\b"
)


def read(name: str) -> str:
    """Read a text file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def nox_sessions() -> dict[str, ast.FunctionDef]:
    """Find the functions of the noxfile that are sessions."""
    return {
        node.name: node
        for node in ast.parse(read("noxfile.py")).body
        if isinstance(node, ast.FunctionDef)
        and any(
            ast.unparse(decorator).startswith("nox.session")
            for decorator in node.decorator_list
        )
    }


def named_sessions(text: str) -> list[str]:
    """Find every NAME of every `nox -s NAME`, several after one -s too."""
    calls = re.findall(r"nox -s((?: [a-z][a-z_]*)+)", text)
    return [name for call in calls for name in call.split()]


def own_files() -> Iterator[Path]:
    """Walk the files that git does not ignore, vendored ones left out.

    This asks no git, for the tests must pass in an unpacked archive too.
    """
    ignored = [
        line.strip().strip("/")
        for line in read(".gitignore").splitlines()
        if line.strip() and not line.startswith("#")
    ]

    def wanted(name: str) -> bool:
        return name != ".git" and not any(
            fnmatch.fnmatch(name, pattern) for pattern in ignored
        )

    for folder, folders, files in os.walk(ROOT):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if wanted(name) and here / name != VENDORED
        ]
        yield from (here / name for name in files if wanted(name))


def own_texts() -> Iterator[tuple[str, str]]:
    """Read every file of ours that is text, with its name."""
    for path in own_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield path.relative_to(ROOT).as_posix(), text


def used_actions() -> list[tuple[str, str]]:
    """List what follows each `uses:`, with the name of its workflow."""
    return [
        (path.name, line.split("uses:", 1)[1].strip())
        for path in WORKFLOWS
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]


def pinned_versions() -> dict[str, str]:
    """Read the constraints as a mapping from package to version."""
    lines = read("constraints.txt").split()
    return dict(line.split("==") for line in lines)


def test_the_readmes_first_screen_has_both_commands_each_on_one_line() -> None:
    first_screen = read("README.md").splitlines()[:SCREEN]

    blocks = "\n".join(first_screen).split("```")[1::2]

    assert [block.strip() for block in blocks] == [
        f"sh\n{BOOK_COMMAND}",
        f"sh\n{TESTS_COMMAND}",
    ]


@pytest.mark.parametrize("name", NAMES_SESSIONS)
def test_every_nox_session_that_is_named_exists(name: str) -> None:
    named = named_sessions(read(name))

    assert named
    assert set(named) <= set(nox_sessions())


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_nox_session_is_explained(name: str) -> None:
    rows = re.findall(
        r"^\| `(?:nox -s )?([a-z_]+)` \|", read(name), re.MULTILINE
    )

    assert sorted(rows) == sorted(nox_sessions())


def test_sessions_run_without_a_name_are_sessions() -> None:
    tree = ast.parse(read("noxfile.py"))
    defaults = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "nox.options.sessions"
    )

    assert set(defaults) <= set(nox_sessions())


def test_every_extra_that_a_session_installs_exists() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(read("noxfile.py")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "install"
    ]
    extras = {ast.literal_eval(call.args[1]) for call in calls}

    assert extras
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


def test_the_clean_clone_runs_the_readmes_commands() -> None:
    steps = [
        line.removeprefix("step ")
        for line in read(".ci/run").splitlines()
        if line.startswith("step ")
    ]
    install, build = BOOK_COMMAND.removesuffix(" -- --open").split(" && ")

    assert install in steps
    assert f"{build} -- --fresh" in steps
    assert TESTS_COMMAND in steps


def test_the_clean_clone_stops_at_the_first_error_and_skips_nothing() -> None:
    script = read(".ci/run")

    assert "\nset -euo pipefail\n" in script
    assert "\nexport LAIDOUT_REQUIRE_ALL=1\n" in script
    assert "||" not in script


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        ".github/workflows/publish.yml",
        ".github/workflows/tests.yml",
    ],
)
def test_who_makes_the_pdf_installs_what_it_needs(name: str) -> None:
    installed = read(name).split()
    assert [p for p in PACKAGES.split() if p not in installed] == []


def test_the_script_for_a_clean_clone_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_workflows_test_every_python_that_the_package_takes() -> None:
    [(low, high)] = re.findall(
        r"^>=3\.(\d+),<3\.(\d+)$", PROJECT["project"]["requires-python"]
    )
    pythons = [f"3.{minor}" for minor in range(int(low), int(high))]
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]

    assert jobs["tests"]["strategy"]["matrix"]["python"] == pythons
    assert f"Python {pythons[0]} to {pythons[-1]}" in read("README.md")


def test_actions_are_pinned_by_commit_and_say_their_version() -> None:
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    actions = used_actions()

    assert actions
    assert [a for a in actions if not pinned.fullmatch(a[1])] == []


def test_an_action_has_the_same_commit_in_all_workflows() -> None:
    pins = {action for _, action in used_actions()}

    assert len(pins) == len({pin.split("@")[0] for pin in pins})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read_unless_a_job_asks(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    asked: dict[str, Any] = {
        name: job["permissions"]
        for name, job in workflow["jobs"].items()
        if "permissions" in job
    }

    assert workflow["permissions"] == {"contents": "read"}
    assert asked in ({}, {"deploy": {"pages": "write", "id-token": "write"}})


def test_the_book_is_published_from_where_it_is_built() -> None:
    publish = yaml.safe_load(read(".github/workflows/publish.yml"))
    steps = publish["jobs"]["build"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    upload = next(
        step for step in steps if "upload-pages" in step.get("uses", "")
    )

    assert commands[-1].endswith("nox -s book")
    assert upload["with"]["path"] == "build/html"


def test_hooks_before_a_commit_are_local_and_at_the_pinned_versions() -> None:
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    wanted = [
        requirement.split("==")
        for hook in hooks
        for requirement in hook.get("additional_dependencies", [])
    ]
    pins = pinned_versions()

    assert [repo["repo"] for repo in repos] == ["local"]
    assert {name for name, _ in wanted} == {"ruff", "typos"}
    assert [pins[name] for name, _ in wanted] == [v for _, v in wanted]


@pytest.mark.parametrize(
    ("line", "forbidden"),
    [
        (":lines: 3-5", True),
        ("  :lines: 3", True),
        (":emphasize-lines: 2", True),
        (":pyobject: causal_mask", False),
        ("Two lines: the scores and the weights.", False),
    ],
)
def test_the_hook_forbids_code_by_line_number(
    line: str, forbidden: bool
) -> None:
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    entry = next(
        hook["entry"]
        for hook in repos[0]["hooks"]
        if hook["id"] == "no-line-numbers"
    )

    assert bool(re.search(entry, line)) is forbidden


def test_the_citation_has_the_version_and_authors_of_the_package() -> None:
    project = PROJECT["project"]
    citation = yaml.safe_load(read("CITATION.cff"))

    for entry in (citation, citation["preferred-citation"]):
        assert entry["version"] == project["version"]
        assert entry["authors"] == project["authors"]
        assert project["description"].startswith(entry["title"])


def test_the_citation_invents_neither_an_address_nor_a_date() -> None:
    keys = set(re.findall(r"^\s*([\w-]+):", read("CITATION.cff"), re.M))
    addresses = {"url", "repository", "repository-code", "doi"}

    if not PROJECT["project"]["urls"]:
        assert not keys & addresses
    assert not keys & {"date-released", "year"}


def test_the_code_is_under_the_mit_licence() -> None:
    author = PROJECT["project"]["authors"][0]["name"]
    text = read("LICENSE")

    assert text.startswith(f"MIT License\n\nCopyright (c) 2026 {author}\n")
    assert "WITHOUT WARRANTY OF ANY KIND" in text


def test_the_licence_of_the_text_names_what_it_leaves_out() -> None:
    text = read("LICENSE-TEXT")
    scope, _, _ = text.partition("\nAttribution 4.0 International\n")
    _, _, left_out = scope.partition("\nWHAT IT DOES NOT COVER\n")
    left_out = " ".join(left_out.split())

    for name in (
        "Quotations and tables",
        '"Attention Is All You Need"',
        "arXiv:1706.03762",
        "xkcd",
        "CC BY-NC 2.5",
        "fonts under book/_static/vendor",
        "SIL OFL 1.1",
        "KaTeX",
    ):
        assert name in left_out


def test_the_licence_of_the_text_has_its_full_legal_code() -> None:
    text = read("LICENSE-TEXT")
    sections = re.findall(r"^Section (\d) -- .+\.$", text, re.MULTILINE)

    assert sections == list("12345678")
    assert text.endswith(
        "\nCreative Commons may be contacted at creativecommons.org.\n"
    )


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # In pieces, for this file is searched as well.
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("files", "pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("deb", "debian", "org"),
        )
    ]
    found = [
        (name, host)
        for name, text in own_texts()
        for host in hosts
        if host in text.lower()
    ]

    assert found == []


def test_only_pyproject_holds_an_address_of_the_project() -> None:
    own = list(PROJECT["project"]["urls"].values())
    named = re.compile(r"https?://[^\s<>\"'`)\]]*laid-?out", re.IGNORECASE)
    found = [
        (name, address)
        for name, text in own_texts()
        if name != "pyproject.toml"
        for address in (
            *(match.group() for match in named.finditer(text)),
            *(address for address in own if address in text),
        )
        if not EXAMPLE_HOST.match(address)
    ]

    assert found == []


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff"),
        *("LICENSE", "LICENSE-TEXT", ".pre-commit-config.yaml"),
        *(path.relative_to(ROOT).as_posix() for path in WORKFLOWS),
    ],
)
def test_nothing_around_the_book_points_at_a_code_host(name: str) -> None:
    hosts = r"(github|gitlab)\.(com|io)/|codeberg\.org/|readthedocs\.io"

    assert re.findall(hosts, read(name)) == []
