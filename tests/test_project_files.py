"""What a public project keeps beside its code agrees with the code: citation, workflows, hooks."""

import re
import tomllib

import pytest
import yaml
from helpers.pages import PAGES
from helpers.shared import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*_*.yml"))
MAKE = re.compile(r"\bmake +([\w-]+)")


def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def make_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([\w-]+):", text, re.M))


def called(text):
    """Return the targets that the commands of a workflow call."""
    return set(MAKE.findall(text))


def commands(workflow):
    """Return everything that the steps of a workflow run."""
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", ())]
    return "\n".join(step["run"] for step in steps if "run" in step)


def triggers(workflow):
    # YAML 1.1 reads the key `on` as true.
    return workflow[True]


def pinned(name):
    """Return the versions of a package that the extras pin."""
    extras = pyproject()["project"]["optional-dependencies"].values()
    return {line.removeprefix(f"{name}==") for extra in extras for line in extra if name in line}


def test_citation():
    project, citation = pyproject()["project"], load("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["title"] == project["name"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()  # what the format asks for


def test_references_are_those_of_the_readme():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    references = load("CITATION.cff")["references"]
    assert len(references) == 4
    assert [each["title"] for each in references if each["title"] not in readme] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_targets_that_there_are(path):
    workflow = load(path)
    assert called(commands(workflow)) <= make_targets()
    assert workflow["name"] == path.stem
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"].startswith(f"{path.stem}-")
    for job in workflow["jobs"].values():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
            continue
        assert job["runs-on"] == "ubuntu-latest"
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            # A branch such as `main` may change under us.
            assert "uses" not in step or re.search(r"@(v\d+|release/v\d+)$", step["uses"]), step


def test_workflows_do_what_ci_does():
    steps = re.findall(r"^step ([\w-]+)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M)
    assert {"install", "lint", "test", "docs", "dist"} <= set(steps)
    assert set().union(*(called(commands(load(path))) for path in WORKFLOWS)) == set(steps)


def test_tests_run_on_every_python():
    classifiers = pyproject()["project"]["classifiers"]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    jobs = load(".github/workflows/tests.yml")["jobs"]
    assert jobs["fast"]["strategy"]["matrix"]["python"] == pythons
    (tried,) = [
        step["with"]["python-version"].split()
        for step in load(".github/workflows/wheel.yml")["jobs"]["wheel"]["steps"]
        if "python-version" in step.get("with", {})
    ]
    assert tried == pythons


def test_only_a_tag_publishes_and_without_a_password():
    release = load(".github/workflows/release.yml")
    assert triggers(release) == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets" not in (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    assert "workflow_call" in triggers(load(".github/workflows/wheel.yml"))


def test_hooks_have_the_versions_that_lint_has():
    repos = {
        repo["repo"].rpartition("/")[2]: repo for repo in load(".pre-commit-config.yaml")["repos"]
    }
    assert pinned("ruff") == {repos["ruff-pre-commit"]["rev"].removeprefix("v")}
    assert pinned("codespell") == {repos["codespell"]["rev"].removeprefix("v")}
    updates = load(".github/dependabot.yml")["updates"]
    (pip,) = [update for update in updates if update["package-ecosystem"] == "pip"]
    left_alone = {item["dependency-name"] for item in pip["ignore"]}
    assert {"ruff", "codespell"} <= left_alone  # an update there would change one file of the two


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_can_be_shown(path):
    form = load(path)
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names) > 0
    assert all(field["attributes"]["label"] for field in fields)


def test_the_sdist_holds_what_stands_beside_the_packages():
    included = pyproject()["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    files = {*ROOT.glob("*.md"), ROOT / "CITATION.cff", ROOT / "LICENSE", ROOT / "Makefile"}
    files |= {ROOT / ".github", ROOT / ".ci", ROOT / ".pre-commit-config.yaml"}
    assert {f"/{path.name}" for path in files} <= set(included)
    assert all((ROOT / name.lstrip("/")).exists() for name in included)


def test_pages_name_the_wheel_of_this_version():
    named = {
        version
        for page in PAGES
        for version in re.findall(r"fer_keras-([\w.]+)-py3", page.read_text(encoding="utf-8"))
    }
    assert named == {pyproject()["project"]["version"]}


def test_targets_are_found():
    assert called("make install\nmake test-slow; cmake x") == {"install", "test-slow"}
    assert {"install", "lint", "test", "test-slow", "docs", "dist"} <= make_targets()
