"""The scripts, the image and the contributor's notes agree with each other and with the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from shared import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = (
    "tools/compose-secrets",
    "tools/debian-tool",
    "tools/go-linter",
    "tools/timescale",
    ".ci/run",
)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()


def dockerfile() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order: (INSTRUCTION, its arguments on one line)."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    joined = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    instructions = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name, " ".join(arguments.split())) for name, arguments in instructions]


def arguments_of(name: str) -> list[str]:
    return [arguments for instruction, arguments in dockerfile() if instruction == name]


def found(pattern: str, text: str) -> str:
    """The first group of the pattern, which must be there."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match, f"{pattern} is not in the text"
    return match[1]


# Scripts


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_executable_and_parses(script: str) -> None:
    path = ROOT / script
    shell = found(r"\A#!(/bin/(?:ba)?sh)$", path.read_text())
    checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
    assert os.access(path, os.X_OK)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_ci_runs_the_whole_of_make_test_then_the_benchmarks_and_requires_the_tools() -> None:
    text = (ROOT / ".ci/run").read_text()
    made = [line for line in text.splitlines() if re.match(r"(exec )?make ", line)]
    assert made == ["make test </dev/null", "exec make bench-quick </dev/null"]
    assert "set -euo pipefail" in text
    assert found(r"^export (.*)$", text).split() == ["CI=true", "FINOPS_REQUIRE_TOOLS=1"]


@pytest.fixture
def run_tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


class Tool:
    """A copy of our scripts in an empty project, on a system that has only what it is given."""

    BASE = ("chmod", "dirname", "find", "mkdir", "mktemp", "mv", "rm", "touch")

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.tools = folder / "project/.cache/tools"
        self.bin.mkdir()
        shutil.copytree(ROOT / "tools", folder / "project/tools")
        self.script = folder / "project/tools"
        for name in self.BASE:
            (self.bin / name).symlink_to(shutil.which(name) or name)

    def fake(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.bin / name).chmod(0o755)

    def __call__(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.script / script, *arguments],
            env={"PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


APT_WORKS = 'case "$*" in *download*) : >package.deb ;; esac'
APT_NEEDS_LISTS = f"""
case "$*" in *update) : >"$(dirname "$0")/updated" ;; esac
[ -e "$(dirname "$0")/updated" ] || exit 100
{APT_WORKS}"""


@pytest.mark.parametrize("name", ["", "-x", "../up", "a/b", "A", "two words"])
def test_debian_tool_takes_only_names_of_packages(run_tool: Tool, name: str) -> None:
    assert run_tool("debian-tool", name).returncode == 2


def test_without_apt_debian_tool_says_so_and_leaves_nothing(run_tool: Tool) -> None:
    done = run_tool("debian-tool", "prometheus")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no apt-get" in done.stdout
    assert done.stdout.count("\n") == 1
    assert not run_tool.tools.exists()


@pytest.mark.parametrize("apt", [APT_WORKS, APT_NEEDS_LISTS])
def test_debian_tool_unpacks_once_and_then_needs_nobody(run_tool: Tool, apt: str) -> None:
    run_tool.fake("flock", "")
    run_tool.fake("apt-get", apt)
    run_tool.fake("dpkg-deb", 'mkdir -p "$3/usr/bin" && : >"$3/usr/bin/promtool"')
    left_behind = run_tool.tools / ".unpack.killed"
    left_behind.mkdir(parents=True)

    assert run_tool("debian-tool", "prometheus").returncode == 0
    assert (run_tool.tools / "prometheus/usr/bin/promtool").exists()
    assert [path.name for path in run_tool.tools.iterdir()] == ["prometheus"]

    run_tool.fake("apt-get", "exit 100")
    again = run_tool("debian-tool", "prometheus")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("apt", "dpkg"), [("exit 100", "exit 0"), (APT_WORKS, 'mkdir "$3"; exit 1')]
)
def test_debian_tool_fails_and_leaves_nothing(run_tool: Tool, apt: str, dpkg: str) -> None:
    run_tool.fake("flock", "")
    run_tool.fake("apt-get", apt)
    run_tool.fake("dpkg-deb", dpkg)
    assert run_tool("debian-tool", "prometheus").returncode not in {0, 2}
    assert list(run_tool.tools.iterdir()) == []


each_linter = pytest.mark.parametrize("linter", ["pint", "dashboard-linter"])


@each_linter
def test_without_go_a_linter_is_left_out_in_one_line(run_tool: Tool, linter: str) -> None:
    done = run_tool("go-linter", linter)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{linter}: left out, there is no Go to build it with\n"
    assert not (run_tool.script.parent / ".cache").exists()


def test_a_linter_has_a_name_that_is_known(run_tool: Tool) -> None:
    for arguments in ((), ("vet",)):
        done = run_tool("go-linter", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "usage: tools/go-linter pint|dashboard-linter\n"


@each_linter
def test_a_linter_that_cannot_be_built_is_left_out_and_tried_again_a_day_later(
    run_tool: Tool, linter: str
) -> None:
    run_tool.fake("go", "echo once >>$(dirname $0)/asked; echo refused >&2; exit 1")
    for _ in range(2):
        done = run_tool("go-linter", linter)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{linter}: left out, its module v")
        assert done.stdout.count("\n") == 1
    assert (run_tool.bin / "asked").read_text() == "once\n"

    (marker,) = (run_tool.script.parent / ".cache" / linter).glob("refused-*")
    os.utime(marker, (0, 0))
    run_tool("go-linter", linter)
    assert (run_tool.bin / "asked").read_text() == "once\nonce\n"


@pytest.mark.parametrize("found", [0, 1])
@pytest.mark.parametrize(
    ("linter", "module", "calls"),
    [
        (
            "pint",
            "github.com/cloudflare/pint/cmd/pint",
            ["--offline --no-color lint rules/*.yaml"],
        ),
        (
            "dashboard-linter",
            "github.com/grafana/dashboard-linter",
            ["lint --strict dashboards/a.json", "lint --strict dashboards/b.json"],
        ),
    ],
)
def test_a_linter_is_built_once_and_what_it_finds_is_a_failure(
    run_tool: Tool, linter: str, module: str, calls: list[str], found: int
) -> None:
    folder = run_tool.script.parent / "dashboards"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.json").touch()
    program = f"$GOBIN/{linter}"
    built = f"echo '#!/bin/sh\necho \"$@\"; exit {found}' >{program}; chmod +x {program}"
    run_tool.fake("go", f'echo "$GOTOOLCHAIN $*" >>$(dirname $0)/asked; {built}')
    for _ in range(2):
        done = run_tool("go-linter", linter)
        assert (done.returncode, done.stderr) == (found, "")
        # The first dashboard with a fault ends it.
        assert done.stdout.splitlines() == (calls[:1] if found else calls)
    (asked,) = (run_tool.bin / "asked").read_text().splitlines()
    assert re.fullmatch(rf"local install {module}@v[0-9.]+", asked)


def test_timescale_is_for_root_only_and_says_so(run_tool: Tool) -> None:
    run_tool.fake("id", "echo 1000")
    done = run_tool("timescale", "true")
    assert done.returncode == 2
    assert "root" in done.stderr


# Image


def test_image_has_the_makefiles_uv() -> None:
    pinned = found(r"^UV_VERSION := (\S+)$", MAKEFILE)
    assert f"UV_VERSION={pinned}" in arguments_of("ARG")
    assert any(run.endswith("uv==${UV_VERSION}") for run in arguments_of("RUN"))


def test_image_bases_are_versions_that_the_package_supports() -> None:
    supported = {entry.rpartition(" ")[2] for entry in PROJECT["project"]["classifiers"]}
    for base in arguments_of("FROM"):
        version = found(r"^python:(\d+\.\d+)-slim( AS \w+)?$", base)
        assert version in supported


def test_image_downloads_nothing_by_add() -> None:
    assert arguments_of("ADD") == []


def test_image_runs_as_a_number_that_is_not_root() -> None:
    instructions = dockerfile()
    last_stage = max(place for place, (name, _) in enumerate(instructions) if name == "FROM")
    users = [rest for name, rest in instructions[last_stage:] if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_image_installs_the_lock_with_all_sources_but_no_embedded_database() -> None:
    syncs = [run for run in arguments_of("RUN") if run.startswith("uv sync")]
    extras = set(PROJECT["project"]["optional-dependencies"]) - {"all", "embedded"}
    assert len(syncs) == 2
    for sync in syncs:
        assert set(re.findall(r"--extra (\S+)", sync)) == extras
        assert {"--locked", "--no-dev"} <= set(sync.split())
    assert "--no-editable" in syncs[-1].split()


def test_image_starts_our_command_and_asks_the_exposed_port_for_its_health() -> None:
    command = yaml.safe_load(arguments_of("ENTRYPOINT")[0])
    (port,) = arguments_of("EXPOSE")
    (health,) = arguments_of("HEALTHCHECK")
    assert command == list(PROJECT["project"]["scripts"])
    assert f"http://127.0.0.1:{port}/-/healthy" in health
    compile(yaml.safe_load(found(r"CMD (\[.*\])$", health))[2], "HEALTHCHECK", "exec")


def test_everything_the_image_copies_is_in_the_build_context() -> None:
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copies = [rest.split()[:-1] for rest in arguments_of("COPY") if "--from" not in rest]
    copied = {name for names in copies for name in names}
    assert copied == set(allowed)
    assert all((ROOT / name).exists() for name in copied)


# Contributor's notes and hooks


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_named_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    code = re.findall(r"```.*?```|`[^`\n]+`", (ROOT / page).read_text(), re.DOTALL)
    named = {target for part in code for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", part)}
    assert named <= targets


def test_contributors_are_told_how_to_check() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(
        f"`make {name}`" in text
        for name in ("check", "test", "e2e", "simulated", "test-timescale", "bench")
    )


def test_hooks_are_programs_of_the_dev_group() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    group = [entry for entry in PROJECT["dependency-groups"]["dev"] if isinstance(entry, str)]
    dev = {re.split(r"[<>=\[]", entry)[0] for entry in group}
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [found(r"^\.venv/bin/(\S+)", hook["entry"]) for hook in hooks] == [
        "ruff",
        "ruff",
        "mypy",
    ]
    assert {"ruff", "mypy", "pre-commit"} <= dev
