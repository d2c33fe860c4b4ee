"""How long a program waits for its first answer, and how much memory that takes.

    python benchmarks/first_answer.py PHOTO
    python benchmarks/first_answer.py PHOTO --peer fer=ENV/bin/python --peer deepface=ENV/bin/python
        --peer py-feat=ENV/bin/python [--python ENV/bin/python] [--rounds N]

Starts `fer recognise PHOTO` and, in environments of their own, the packages that are named, in
turns. Measures each process from its start to its end, and the most memory that it held, and adds
up the files of the packages in each environment, which should hold nothing else. Each does one of
two things: `answer` means an answer about the photo; `start` means that the package is imported and
answers nothing (deepface and py-feat fetch their weights, which a machine may not allow).

The first round is left out: it compiles the modules, and reads the files into the system's cache.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Name of the package, what is done, and the program, which gets the photo.
PEERS = {
    "fer": (
        "fer",
        "answer",
        "import sys, cv2; from fer.fer import FER; "
        "assert FER().detect_emotions(cv2.imread(sys.argv[1]))",
    ),
    "deepface": ("deepface", "start", "from deepface import DeepFace"),
    "py-feat": ("py-feat", "start", "import feat"),
}
OURS = "fer recognise"
# Each environment has its own modules, and keeps them compiled, as it does for its user.
NOT_THEIRS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
PACKAGES = "import sysconfig; print(sysconfig.get_path('platlib'))"


def measured(command, folder):
    """Run a program in an empty folder; return its seconds and megabytes.

    Raises:
        RuntimeError: If it fails.
    """
    environment = {key: value for key, value in os.environ.items() if key not in NOT_THEIRS}
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()[-8:]
            raise RuntimeError("\n".join([f"{command[0]} failed ({process.returncode}):", *lines]))
    # Linux counts kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, used.ru_maxrss * unit / 1e6


def said(python, program, *arguments):
    """Return what a program prints, in one line."""
    command = [python, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def on_disk(python):
    """Return the megabytes of the packages of an environment, pip included, without bytecode."""
    files = (path for path in Path(said(python, PACKAGES)).rglob("*") if path.suffix != ".pyc")
    return sum(path.lstat().st_size for path in files if not path.is_dir()) / 1e6


def commands(photo, peers, python):
    """Return `{name: (what it does, command)}`, ours first."""
    found = {OURS: ("answer", [python, "-m", "fer_models", "recognise", photo])}
    for name, interpreter in peers.items():
        package, what, program = PEERS[name]
        version = said(interpreter, VERSION, package)
        found[f"{name} {version}"] = (what, [interpreter, "-c", program, photo])
    return found


def peer(text):
    name, equals, python = text.partition("=")
    if name not in PEERS or not equals:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(f'{each}=PYTHON' for each in PEERS)}, not {text!r}"
        )
    # Not resolved: the link says which environment it is.
    return name, str(Path(python).absolute())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", help="a photo with a face")
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument(
        "--python", default=sys.executable, help="of the environment of fer-keras or fer-keras-lite"
    )
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error(f"--rounds must be a positive integer, not {args.rounds}")
    photo, python = str(Path(args.photo).resolve()), str(Path(args.python).absolute())
    programs = commands(photo, dict(args.peer), python)
    found = {name: [] for name in programs}
    for number in range(args.rounds + 1):
        for name, (_, command) in programs.items():
            with tempfile.TemporaryDirectory() as folder:
                result = measured(command, folder)
            if number:
                found[name].append(result)
    print(f"{args.rounds} rounds, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| program | does | seconds, median | least to most | MB of memory, most | MB on disk |")
    print("|---|---|---:|---:|---:|---:|")
    for name, results in found.items():
        seconds, memory = zip(*results, strict=True)
        does, command = programs[name]
        print(
            f"| {name} | {does} | {statistics.median(seconds):.2f} | "
            f"{min(seconds):.2f} to {max(seconds):.2f} | {max(memory):.0f} | "
            f"{on_disk(command[0]):,.0f} |"
        )


if __name__ == "__main__":
    main()
