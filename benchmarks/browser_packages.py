"""The npm package `fer-keras-web`, @vladmandic/face-api and @vladmandic/human on the same faces.

    make web-package
    python benchmarks/browser_packages.py [--package TGZ] [--model fer2013] [--video PATH]
        [--frames 12] [--rounds 5] [--faces FOLDER_OR_ZIP] [--count 30] [--json PATH]

Wants Node.js's npm, which fetches the two other packages and the WebAssembly of TensorFlow.js that
they run on, and Chromium with its driver. All run in headless Chromium, each on a page of its own
that is cross-origin isolated, on WebAssembly, and find faces and expressions and nothing else.
`fer-keras-web` and face-api have two detectors each, and both are measured.

Speed: frames of a video, or the swaying portrait of scikit-image, 640 pixels wide, as a canvas.
Each picture is searched by itself. One pass of each method is not measured; then the methods take
turns. A round gives the median time of a frame, and its ratio to that of `fer-keras-web` with MTCNN
in the same round; printed are the medians over the rounds, with the lowest and the highest, and
the fastest frame, which other work on the machine slows least.

With `--faces`, expressions: so many pictures of each class, evenly out of the folders of a data set
(`valid/happy/x.png`, or `happy/x.png`), grey or in colour, made 192 pixels wide and put in the
middle of a grey picture of 320. Printed are the faces that each method finds, how many labels of
the pictures' it gives, and the same on the pictures where both it and `fer-keras-web` with MTCNN
found one.
"""

import argparse
import contextlib
import datetime
import functools
import http.server
import io
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from selenium import webdriver
from webcam_load import astronaut

from fer_data.labels import EMOTIONS
from fer_data.video import Video

HERE = Path(__file__).resolve().parent
PEERS = {
    "@vladmandic/face-api": "1.7.15",
    "@vladmandic/human": "3.3.6",
    "@tensorflow/tfjs-backend-wasm": "4.22.0",
}
OURS = "fer-keras-web, mtcnn"
METHODS = (OURS, "fer-keras-web, yunet", "face-api, tiny", "face-api, ssd", "human")
WIDTH = 640
FACE, PICTURE, GREY = 192, 320, 128
PATIENCE = 110  # seconds for one call; the driver's own connection waits 120
AT_ONCE = 10  # pictures of a call
PAGE = "<!doctype html><title>{0}</title><script type=module src=/browser_packages.js></script>"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to pages that may share memory between threads."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(folder):
    """Serve a folder on the loopback address; yield the origin."""
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def browsing():
    """Yield the driver of a headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


class Pages:
    """One page of the browser for each method."""

    def __init__(self, driver, origin):
        self.driver = driver
        self.windows = {}
        for method in METHODS:
            if self.windows:
                driver.switch_to.new_window("tab")
            driver.get(f"{origin}/page.html")
            self.windows[method] = driver.current_window_handle

    def ask(self, method, call, *arguments):
        """Return what a function of the page gives, its arguments as JSON."""
        self.driver.switch_to.window(self.windows[method])
        given = ", ".join(json.dumps(argument) for argument in arguments)
        answer = self.driver.execute_async_script(
            "const finish = arguments[0];"
            f"globalThis.{call}({given}).then((value) => finish({{ value }}),"
            " (error) => finish({ error: String(error.stack ?? error) }));"
        )
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["value"]

    def measure(self, method, urls):
        """Return milliseconds and faces of each picture."""
        print(f"{method}: {len(urls)} pictures", file=sys.stderr)
        found = []
        for start in range(0, len(urls), AT_ONCE):
            found += self.ask(method, "measure", urls[start : start + AT_ONCE])
        return found


def moving(path, count):
    """Return frames, uint8 RGB, evenly out of a video or of the swaying portrait."""
    if path is None:
        return list(astronaut(count))
    images = [frame.image for frame in Video(path)]
    chosen = [images[int(place)] for place in np.linspace(0, len(images) - 1, count)]
    scales = [WIDTH / image.shape[1] for image in chosen]
    return [
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for image, scale in zip(chosen, scales, strict=True)
    ]


def labelled(path, count):
    """Return pictures, uint8 RGB, and the expression of each, evenly out of every class."""
    path = Path(path)
    if path.is_dir():
        files = {str(each.relative_to(path)): each.read_bytes for each in path.rglob("*.png")}
    else:
        archive = zipfile.ZipFile(path)
        files = {
            name: functools.partial(archive.read, name)
            for name in archive.namelist()
            if name.endswith(".png")
        }
    held_back = {name for name in files if "valid" in Path(name).parts}
    pictures, labels = [], []
    for label in EMOTIONS:
        names = [name for name in held_back or files if Path(name).parent.name == label]
        names = sorted(names)
        for place in np.linspace(0, len(names) - 1, min(count, len(names))):
            with Image.open(io.BytesIO(files[names[int(place)]]())) as image:
                pictures.append(framed(np.asarray(image.convert("RGB"))))
            labels.append(label)
    if not pictures:
        raise SystemExit(f"error: there are no folders of {', '.join(EMOTIONS)} in {path}")
    return pictures, labels


def framed(face):
    """Return a face as a photo shows it: larger, and with something around it."""
    picture = np.full((PICTURE, PICTURE, 3), GREY, np.uint8)
    start = (PICTURE - FACE) // 2
    large = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    picture[start : start + FACE, start : start + FACE] = large
    return picture


def written(pictures, folder, kind):
    """Write pictures without loss; return the addresses under which they are served."""
    names = [f"{kind}-{place:04}.png" for place in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(folder / name)
    return [f"/{name}" for name in names]


def speed(rounds):
    """Return times over rounds, each a dictionary of a method's milliseconds of each frame.

    Args:
        rounds: `[{method: [milliseconds, ...]}, ...]`.

    Returns:
        By method `{"milliseconds": (median, lowest, highest), "ratio": the same, "fastest": the
        fastest frame}`; the first is of the rounds' medians, the ratio that to `OURS` in the same
        round.
    """
    medians = [
        {method: statistics.median(times) for method, times in one.items()} for one in rounds
    ]
    return {
        method: {
            "milliseconds": spread([one[method] for one in medians]),
            "ratio": spread([one[method] / one[OURS] for one in medians]),
            "fastest": min(min(one[method]) for one in rounds),
        }
        for method in medians[0]
    }


def spread(values):
    return statistics.median(values), min(values), max(values)


def best(faces):
    """Return the label of the face that a method is most certain of, or None."""
    return max(faces, key=lambda face: face["score"])["label"] if faces else None


def agreement(given, labels):
    """Count faces found and labels met.

    Args:
        given: By method a label, or None where it found no face, of each picture.
        labels: The pictures' own.

    Returns:
        By method `found` and `right`; and of the pictures where both it and `OURS` found a face,
        `both` in number: `right_of_both`, `ours_right_of_both`, `as_ours`, and `behind`, the
        difference of their shares with its 95 % interval, None of fewer than 2.
    """
    pictures = range(len(labels))
    results = {}
    for method, found in given.items():
        ours = given[OURS]
        both = [k for k in pictures if found[k] is not None and ours[k] is not None]
        results[method] = {
            "found": sum(label is not None for label in found),
            "right": sum(found[k] == labels[k] for k in pictures),
            "both": len(both),
            "right_of_both": sum(found[k] == labels[k] for k in both),
            "ours_right_of_both": sum(ours[k] == labels[k] for k in both),
            "as_ours": sum(found[k] == ours[k] for k in both),
            "behind": behind([(ours[k] == labels[k]) - (found[k] == labels[k]) for k in both]),
        }
    return results


def behind(differences):
    """Return the mean of paired differences and the ends of its 95 % interval."""
    if len(differences) < 2:
        return None
    mean = statistics.fmean(differences)
    half = 1.96 * statistics.stdev(differences) / math.sqrt(len(differences))
    return mean, mean - half, mean + half


def install(folder, package):
    """Let npm put the packages into a folder."""
    names = [str(package), *(f"{name}@{version}" for name, version in PEERS.items())]
    command = [shutil.which("npm"), "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
    subprocess.run([*command, "--ignore-scripts", *names], check=True, stdout=subprocess.DEVNULL)


def run(args, folder):
    """Measure; return everything as one dictionary."""
    (folder / "page.html").write_text(PAGE.format("browser_packages"))
    shutil.copy(HERE / "browser_packages.js", folder)
    frames = written(moving(args.video, args.frames), folder, "frame")
    results = {"frames": len(frames), "rounds": args.rounds, "model": args.model}
    with serving(folder) as origin, browsing() as driver:
        results["chromium"] = driver.capabilities["browserVersion"]
        pages = Pages(driver, origin)
        results["methods"] = {
            method: pages.ask(method, "begin", method, {"model": args.model}) for method in METHODS
        }
        shown = {method: pages.measure(method, frames) for method in METHODS}
        results["labels"] = {
            method: Counter(str(best(each["faces"])) for each in found)
            for method, found in shown.items()
        }
        rounds = []
        for _ in range(args.rounds):
            found = {method: pages.measure(method, frames) for method in METHODS}
            rounds.append(
                {method: [each["milliseconds"] for each in one] for method, one in found.items()}
            )
        results["speed"] = speed(rounds)
        if args.faces is not None:
            pictures, labels = labelled(args.faces, args.count)
            urls = written(pictures, folder, "face")
            given = results["given"] = {
                method: [best(each["faces"]) for each in pages.measure(method, urls)]
                for method in METHODS
            }
            results["pictures"] = labels
            results["expressions"] = agreement(given, labels)
    return results


def show(results):
    """Print what was measured."""
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Chromium {results['chromium']}, headless, WebAssembly"
    )
    for method, found in results["methods"].items():
        rest = ", ".join(f"{name} {value}" for name, value in found.items())
        print(f"  {method}: {rest}")
    print(f"\nA frame, of {results['frames']} frames and {results['rounds']} rounds:")
    for method, found in results["speed"].items():
        time, ratio = found["milliseconds"], found["ratio"]
        print(
            f"  {method:20} {time[0]:6.1f} ms ({time[1]:.1f} to {time[2]:.1f}),"
            f" {ratio[0]:.2f} times {OURS} ({ratio[1]:.2f} to {ratio[2]:.2f}),"
            f" fastest {found['fastest']:.1f} ms, {dict(results['labels'][method])}"
        )
    if "expressions" in results:
        count = len(results["pictures"])
        print(f"\nExpressions of {count} pictures:")
        for method, found in results["expressions"].items():
            print(
                f"  {method:20} found {found['found']}, right {found['right']} of {count}"
                f" ({found['right'] / count:.1%}); of {found['both']} where {OURS} found one too,"
                f" right {found['right_of_both']} and {found['ours_right_of_both']},"
                f" the same label {found['as_ours']}"
            )
            if found["behind"] is not None:
                print("    {:.1%} behind it ({:.1%} to {:.1%})".format(*found["behind"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, help="tarball (default: the one of build/web)")
    parser.add_argument("--model", default="ferplus", choices=("fer2013", "ferplus"))
    parser.add_argument("--video", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--faces", type=Path, help="pictures in folders named by expression")
    parser.add_argument("--count", type=int, default=30, help="pictures of each expression")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    package = args.package or max(
        (HERE.parent / "build" / "web").glob("fer-keras-web-*.tgz"), default=None
    )
    if package is None or not package.is_file():
        parser.error("the package is missing. Run: make web-package")
    for program in ("npm", "chromium", "chromedriver"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder, package.resolve())
        results = run(args, folder)
    show(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
