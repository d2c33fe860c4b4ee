"""The steps of the Dockerfile by hand, for machines without Docker.

    python tests/helpers/container_steps.py FOLDER [--python PYTHON]

Runs what the Dockerfile itself says, in FOLDER in place of an image: copies what `.dockerignore`
lets through, runs the RUN lines in a new virtual environment, starts ENTRYPOINT on a free port of
127.0.0.1, asks for the page, and recognises a photo by the command that its head names. Left out
are what needs an image: the base image with its Python, and the user (`useradd`, USER).

Prints the steps and ends with status 0 where all of them work.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Folders of the image that the lines name.
PLACES = ("/source", "/wheel")
PATIENCE = 120  # seconds


def instructions(text):
    """Return the instructions of a Dockerfile as pairs of a word and what it says."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def context(text):
    """Return the names that a `.dockerignore` lets through, one that leaves out all others."""
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    if rules[0] != "*" or "**/__pycache__" not in rules:
        raise ValueError("`.dockerignore` must leave out all files, then let some through")
    return [rule.removeprefix("!") for rule in rules if rule.startswith("!")]


def by_hand(line, folder):
    """Return a RUN line for the folder, without the commands that need an image."""
    commands = [each.strip() for each in re.sub(r"\s+", " ", line).split(" && ")]
    kept = " && ".join(each for each in commands if not each.startswith("useradd "))
    for place in PLACES:
        kept = re.sub(rf"(?<![\w.]){place}(?=[/\s])", str(folder) + place, kept + " ").strip()
    return kept


def copy_context(target):
    """Copy what Docker would send as the build context."""
    for name in context((ROOT / ".dockerignore").read_text(encoding="utf-8")):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def environment(binaries):
    """Return the variables of a program in the image: hardly any."""
    kept = {key: os.environ[key] for key in ("HOME", "LANG", "TMPDIR") if key in os.environ}
    pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    return {**kept, **pip, "PATH": f"{binaries}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}


def serve(command, variables, folder):
    """Start the page, ask for it, stop it; return its address and what it says of its health."""
    process = subprocess.Popen(
        [*command, "--port", "0"], cwd=folder, env=variables, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in process.stderr:
            if found := re.search(r"Open (http://\S+)", line):
                break
        else:
            raise RuntimeError("the page was not served")
        with urllib.request.urlopen(found[1], timeout=PATIENCE) as page:
            assert "<html" in page.read().decode()
        with urllib.request.urlopen(found[1] + "health", timeout=PATIENCE) as health:
            return found[1], json.load(health)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="is made; must not be there")
    parser.add_argument("--python", default=sys.executable, help="makes the environment")
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True)
    steps = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    print(f"COPY . {folder}/source", flush=True)
    copy_context(folder / "source")
    subprocess.run([args.python, "-m", "venv", folder / "python"], check=True)
    variables = environment(folder / "python" / "bin")
    for word, line in steps:
        if word == "RUN":
            command = by_hand(line, folder)
            print(f"RUN {command}", flush=True)
            subprocess.run(command, shell=True, check=True, cwd=folder, env=variables)
    (entry,) = (json.loads(line) for word, line in steps if word == "ENTRYPOINT")
    home = folder / "home"
    home.mkdir()
    print(f"ENTRYPOINT {' '.join(entry)}", flush=True)
    # Found by the environment's path and not by that of this program.
    entry[0] = shutil.which(entry[0], path=variables["PATH"])
    print("  ", *serve(entry, variables, home), flush=True)
    from skimage import data

    shutil.copy(Path(data.data_dir) / "astronaut.png", home / "party.png")
    done = subprocess.run(
        [entry[0], "recognise", "party.png"],
        cwd=home,
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("party.png: "), done
    print(f"recognise: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
