"""Load the server of `fer webcam` with several browsers at once, on this machine.

    python benchmarks/webcam_load.py [--clients 8] [--seconds 30] [--rate 30] [--spread 0]
        [--video PATH] [--weights fer2013] [--detector mtcnn] [--json PATH]

Starts `fer webcam` on a free port of the loopback address, lets that many clients
send frames as the page does (two on their way, the newest first), and stops it. The frames
are those of a video, or the astronaut's portrait of scikit-image, swaying; 640 pixels at most.
All clients begin in the same instant, so that their frames come together and all their searches of
the whole frame too: the hardest case. With `--spread 1` they begin evenly spread over a second, as
browsers that know nothing of each other do.

Prints frames answered, errors, the time from a frame to its answer, the
processor time of the server and of the clients for an answer, which other work on the machine
hardly changes, and the server's resident memory over time, in tenths of the run; the exit status is
1 where there was an error or memory grew by more than a tenth over the second half.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
from websockets.asyncio.client import connect

from fer_models.web.protocol import pack

LONGEST_SIDE = 640
ON_THEIR_WAY = 2
REFRESH = 0.25  # seconds after which a waiting frame gives way to a newer one
QUALITY = 85
MOST_FRAMES = 240


def astronaut(frames=60, height=480, width=640):
    """Yield a portrait that sways before the camera, uint8 RGB."""
    from skimage import data

    portrait = data.astronaut()
    for phase in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        move = cv2.getRotationMatrix2D((223, 118), 4 * np.sin(2 * phase), 1.6)
        move[:, 2] += width / 2 - 223 + 30 * np.sin(phase), height / 2 - 118
        yield cv2.warpAffine(portrait, move, (width, height), borderMode=cv2.BORDER_REPLICATE)


def encoded(path):
    """Return the frames as JPEG."""
    if path is None:
        images = astronaut()
    else:
        from fer_data.video import Video

        images = (frame.image for frame in Video(path))
    found = []
    for image in itertools.islice(images, MOST_FRAMES):
        scale = min(1, LONGEST_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        found.append(cv2.imencode(".jpg", small[..., ::-1], quality)[1].tobytes())
    return found


class Server:
    """The server as its own process, and its memory over time."""

    def __init__(self, options):
        command = [sys.executable, "-m", "fer_models", "webcam", "--port", "0", "--no-browser"]
        self.process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        self.memory = []

    def address(self, patience=300):
        """Wait for the server; return its host and port."""
        lines = queue.Queue()

        def read():
            for line in self.process.stderr:
                sys.stderr.write(line)
                lines.put(line)
            lines.put("")

        threading.Thread(target=read, daemon=True).start()
        while line := lines.get(timeout=patience):
            if found := re.search(r"//([^/]+)/", line):
                return found[1]
        raise RuntimeError("The server did not start")

    def spent(self):
        """Return the seconds of processors that the server has used."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    async def watch(self, every=0.5):
        process = psutil.Process(self.process.pid)
        while True:
            self.memory.append((time.perf_counter(), process.memory_info().rss / 2**20))
            await asyncio.sleep(every)

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


async def client(address, frames, args, found, place):
    """Send frames at the camera's rate, unless two are on their way already."""
    sent, times = {}, {}
    await asyncio.sleep(args.spread * place / args.clients)
    async with connect(
        f"ws://{address}/ws", origin=f"http://{address}", compression=None
    ) as socket:

        async def listen():
            async for text in socket:
                answer = json.loads(text)
                if "error" in answer:
                    found["errors"].append(answer["error"])
                else:
                    found["latencies"].append(time.perf_counter() - times[answer["frame"]])
                    found["faces"] += len(answer["faces"])
                for number in [number for number in sent if number <= answer["frame"]]:
                    del sent[number]

        listener = asyncio.create_task(listen())
        start = time.perf_counter()
        for number in itertools.count():
            due = start + number / args.rate
            if due > start + args.seconds:
                break
            await asyncio.sleep(max(0, due - time.perf_counter()))
            now = time.perf_counter()
            if len(sent) == ON_THEIR_WAY and now - sent[max(sent)] > REFRESH:
                del sent[max(sent)]
            if len(sent) < ON_THEIR_WAY:
                sent[number] = times[number] = now
                jpeg = frames[number % len(frames)]
                await socket.send(pack(number, number / args.rate, jpeg))
                found["sent"] += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while sent and not listener.done():
                    await asyncio.sleep(0.02)
        listener.cancel()
        outcome = (await asyncio.gather(listener, return_exceptions=True))[0]
        if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
            found["errors"].append(repr(outcome))


async def load(server, address, frames, args):
    found = {"sent": 0, "faces": 0, "latencies": [], "errors": []}
    watching = asyncio.create_task(server.watch())
    spent = server.spent(), time.process_time()
    outcomes = await asyncio.gather(
        *(client(address, frames, args, found, place) for place in range(args.clients)),
        return_exceptions=True,
    )
    found["processor"] = server.spent() - spent[0], time.process_time() - spent[1]
    found["errors"] += [repr(outcome) for outcome in outcomes if outcome is not None]
    watching.cancel()
    return found


def report(found, memory, args):
    """Print the figures; return them, and whether all is well."""
    times = np.array(found["latencies"]) * 1000
    begin, end = memory[0][0], memory[-1][0]
    stamps, sizes = np.array(memory).T
    parts = np.clip(((stamps - begin) / (end - begin) * 10).astype(int), 0, 9)
    tenths = [float(np.median(sizes[parts == part])) for part in range(10) if (parts == part).any()]
    half = len(tenths) // 2
    figures = {
        "clients": args.clients,
        "seconds": args.seconds,
        "spread": args.spread,
        "sent": found["sent"],
        "answered": len(times),
        # Each client's own rate, summed: those that begin later end later.
        "answered_a_second": len(times) / args.seconds,
        "faces_a_frame": found["faces"] / max(1, len(times)),
        "errors": len(found["errors"]),
        "processor_ms_an_answer": {
            name: 1000 * seconds / max(1, len(times))
            for name, seconds in zip(("server", "clients"), found["processor"], strict=True)
        },
        "latency_ms": {
            name: float(np.percentile(times, share)) if len(times) else None
            for name, share in (("median", 50), ("95 %", 95), ("99 %", 99), ("most", 100))
        },
        "memory_mib": [round(size, 1) for size in tenths],
        "growth": tenths[-1] / tenths[half] - 1,
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    for error in sorted(set(found["errors"])):
        print(f"  {error}")
    well = not found["errors"] and len(times) > 0 and figures["growth"] < 0.1
    return figures, well


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=30, help="frames a second of each camera")
    parser.add_argument("--spread", type=float, default=0, help="seconds over which they begin")
    parser.add_argument("--video", type=Path, help="default: a portrait that sways")
    parser.add_argument("--weights", default="ferplus")
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    args = parser.parse_args()
    frames = encoded(args.video)
    options = ["--weights", args.weights, "--detector", args.detector]
    # The rate is counted by two clocks: one frame in a hundred may come early.
    options += ["--max-rate", str(2 * args.rate), "--max-clients", str(args.clients)]
    server = Server(options)
    try:
        address = server.address()
        found = asyncio.run(load(server, address, frames, args))
    finally:
        status = server.stop()
    figures, well = report(found, server.memory, args)
    print(f"server's exit status: {status}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
