"""Make batches of clips in other processes, or on other machines, by the tf.data service.

    python examples/data_service.py local --workers 2
    python examples/data_service.py dispatcher --port 5050
    python examples/data_service.py worker --dispatcher grpc://HOST:5050 --host NAME
    python examples/data_service.py client --dispatcher grpc://HOST:5050 --prepared FOLDER

`local` starts a dispatcher, workers and a client on this machine, each a process of its own, and
stops them all at the end. The other three are given one by one, each on its machine: workers reach
the dispatcher, clients reach both, and all see the prepared clips under one path. Where no worker
is asked for (`local --workers 0`) the client makes the batches itself.

Decoding, bringing to length, shuffling, batching, augmentation and the three regions happen in the
workers; a client gets what `fer_data.clips.pipeline` gives, and the ids. The dispatcher hands the
files of the prepared clips to whoever is free, so every clip comes exactly once a pass. The client
counts that: its status is 1 if a clip is missing or comes too often. A worker that is lost takes
the rest of its file with it, so `local` ends with an error then.

The service has no passwords, and its ports are open to whoever reaches the machine, at `local` too.
"""

import argparse
import collections
import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ADDRESS = re.compile(r"grpc://([^/:\s]+):(\d{1,5})")
SHUFFLED = 256  # clips among which a worker draws


# The command line.


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    roles = parser.add_subparsers(dest="role", required=True, metavar="ROLE")
    shown = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}
    local = roles.add_parser("local", help="everything on this machine", **shown)
    dispatcher = roles.add_parser("dispatcher", help="hands out the work", **shown)
    worker = roles.add_parser("worker", help="makes batches", **shown)
    client = roles.add_parser("client", help="takes batches", **shown)

    local.add_argument("--workers", type=int, default=2, help="0: no service")
    local.add_argument("--cores-each", type=int, help="pin every worker to so many cores (Linux)")
    dispatcher.add_argument("--port", type=int, default=0, help="0: a free one")
    worker.add_argument("--dispatcher", required=True, metavar="grpc://HOST:PORT")
    worker.add_argument("--host", default="localhost", help="how clients reach this machine")
    worker.add_argument("--port", type=int, default=0, help="0: a free one")
    client.add_argument("--dispatcher", metavar="grpc://HOST:PORT", help="none: no service")
    client.add_argument("--job", help="clients that name the same job share its clips")
    client.add_argument("--patience", type=float, default=120, help="longest wait, in seconds")
    for each in (local, client):
        _stream_options(each)
    for each in (dispatcher, worker, client):
        each.add_argument("--cores", type=int, nargs="+", help="run on these only (Linux)")
        each.add_argument("--until-eof", action="store_true", help="end with standard input")
    options = parser.parse_args(words)
    _check(options, {"local": local, "worker": worker, "client": client}.get(options.role, parser))
    return options


def _stream_options(parser):
    add = parser.add_argument
    add("--prepared", type=Path, help="folder of prepared clips; none: synthetic ones")
    add("--data-dir", type=Path, help="where synthetic ones go; none: that of tensorflow-datasets")
    add("--subjects", type=int, default=12, help="synthetic people, with three clips each")
    add("--files", type=int, default=8, help="files of the synthetic clips")
    add("--frames", type=int, default=16, help="frames of every clip")
    add("--size", type=int, default=64, help="side of a region in pixels, even")
    add("--batch-size", type=int, default=8)
    add("--passes", type=int, default=2, help="times that every clip comes")
    add("--augmentation", default="basic", help="a preset of fer_data.augment")
    add("--seed", type=int, default=0)
    add("--json", type=Path, help="file to write the figures to")


def _check(options, parser):
    least = {"workers": 0, "cores_each": 1, "port": 0, "seed": 0}
    least |= dict.fromkeys(("subjects", "files", "frames", "batch_size", "passes"), 1)
    for name, value in vars(options).items():
        flag = "--" + name.replace("_", "-")
        if name in least and value is not None and value < least[name]:
            parser.error(f"{flag} must be {least[name]} or more. Received: {value}")
        if name == "port" and value > 65535:
            parser.error(f"{flag} must be 65535 or less. Received: {value}")
        if name == "dispatcher" and value is not None and not ADDRESS.fullmatch(value):
            parser.error(f"{flag} must be grpc://HOST:PORT. Received: {value}")
        if name == "prepared" and value is not None and not (value / "features.json").is_file():
            parser.error(f"{flag} must be a folder with prepared clips. Received: {value}")
    if options.role in ("local", "client") and (options.size < 2 or options.size % 2):
        parser.error(f"--size must be even, and 2 or more. Received: {options.size}")
    if options.role == "client" and not options.patience > 0:
        parser.error(f"--patience must be above 0. Received: {options.patience}")
    if options.role == "local":
        if options.prepared is None and options.files < options.workers:
            parser.error(
                "--files must be as many as --workers or more, for workers share out files. "
                f"Received: --files {options.files} --workers {options.workers}"
            )
        _check_cores(range(max(options.workers, 1) * (options.cores_each or 0)), parser)
    else:
        _check_cores(options.cores or (), parser)


def _check_cores(wanted, parser):
    if not wanted:
        return
    if not hasattr(os, "sched_setaffinity"):
        parser.error("only Linux can pin processes to cores: leave --cores and --cores-each out")
    there = sorted(os.sched_getaffinity(0))
    if len(wanted) > len(there) or (not isinstance(wanted, range) and not set(wanted) <= {*there}):
        parser.error(
            f"no more cores can be used than there are, {' '.join(map(str, there))}. "
            f"Received: {' '.join(map(str, wanted)) if isinstance(wanted, list) else len(wanted)}"
        )


# What the workers do.


def examples_of(options):
    """Return the clips as a data set whose files the service can share out, and their ids."""
    import tensorflow_datasets as tfds

    builder = _builder(options)
    # Each of these would spoil the sharing. A worker sees a part of the clips, not all that are
    # asserted. One that shuffles the files, or reads several at once, takes them from the others.
    reading = tfds.ReadConfig(
        assert_cardinality=False,
        try_autocache=False,
        interleave_cycle_length=1,
        num_parallel_calls_for_interleave_files=1,
    )
    features = tfds.decode.PartialDecoding(["frames", "frame_numbers", "label", "id"])
    clips = builder.as_dataset(
        split="clips", shuffle_files=False, read_config=reading, decoders=features
    )
    names = builder.as_dataset(
        split="clips", decoders=tfds.decode.PartialDecoding(["label", "id"])
    ).filter(_labelled)
    ids = [example["id"].decode() for example in names.as_numpy_iterator()]
    files = builder.info.splits["clips"].num_shards
    print(f"{len(ids)} clips in {files} files: no more than {files} workers have work", flush=True)
    return clips, ids


def _labelled(example):
    return example["label"] >= 0


def _builder(options):
    import tensorflow_datasets as tfds

    from fer_data.datasets.synthetic_micro_expressions import SyntheticMicroExpressions

    if options.prepared is not None:
        return tfds.builder_from_directory(options.prepared.resolve())
    builder = SyntheticMicroExpressions(
        data_dir=options.data_dir, subjects=options.subjects, clips=1, seed=options.seed
    )
    # As one file, which is what so few clips would become, they would all go to one worker.
    config = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=options.files)
    builder.download_and_prepare(download_config=config)
    found = builder.info.splits["clips"].num_shards
    if found != options.files:
        raise ValueError(
            f"--files must be {found}, which is what the prepared clips in {builder.data_dir} "
            f"have, or --data-dir another folder. Received: --files {options.files}"
        )
    return builder


def batches_of(clips, options):
    """Return batches `((left, right, lower), label, id)`, augmented, of `passes` passes.

    The same steps as in `fer_data.clips.pipeline`, whose epochs are another thing to share out:
    there the service would give every worker whole epochs of its own.
    """
    import tensorflow as tf

    from fer_data.clip_augment import augment_clips, clip_policy
    from fer_data.clips import clip_inputs, fixed_clip

    policy = clip_policy(options.augmentation)

    def prepare(example):
        faces = fixed_clip(
            example["frames"], example["frame_numbers"], frames=options.frames, size=options.size
        )
        return faces, tf.cast(example["label"], tf.int32), example["id"]

    def numbered(step, batch):
        return step + 1, (step, batch)

    def finish(step, batch):
        faces, label, name = batch
        # Of the clips, too: two workers at the same step must not draw the same numbers.
        first = tf.strings.to_hash_bucket_fast(name[0], 2**31 - 1)
        seed = tf.random.fold_in(tf.random.fold_in((options.seed, 0), first), step)
        (faces,) = augment_clips((tf.cast(faces, tf.float32),), policy, seed)
        return clip_inputs(faces, size=options.size), label, name

    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": False}
    clips = clips.filter(_labelled).repeat(options.passes).map(prepare, **parallel)
    clips = clips.shuffle(SHUFFLED, seed=options.seed).batch(options.batch_size)
    clips = clips.scan(tf.constant(0, tf.int64), numbered)
    return clips.map(finish, **parallel).prefetch(tf.data.AUTOTUNE)


# The three roles.


def dispatch(options):
    import tensorflow as tf

    service = tf.data.experimental.service
    # After so long without a sign of life a worker is given up, and clients go on without it.
    config = service.DispatcherConfig(port=options.port, worker_timeout_ms=20_000)
    server = service.DispatchServer(config)
    print(server.target, flush=True)
    wait_for_the_end()


def work(options):
    import tensorflow as tf

    check_reachable(options.dispatcher)
    service = tf.data.experimental.service
    config = service.WorkerConfig(
        dispatcher_address=options.dispatcher.removeprefix("grpc://"),
        worker_address=f"{options.host}:%port%",
        port=options.port,
        dispatcher_timeout_ms=30_000,
    )
    server = service.WorkerServer(config)
    print(f"ready, for {options.dispatcher}", flush=True)
    wait_for_the_end()
    del server


def take(options):
    """Take all batches, print the rate and whether all clips came; return the status."""
    if options.dispatcher:
        check_reachable(options.dispatcher)
    clips, ids = examples_of(options)
    batches = batches_of(clips, options)
    if options.dispatcher:
        batches = distributed(batches, options)
    times, seen = [], []
    for names in waiting(batches, getattr(options, "patience", None)):
        times.append(time.perf_counter())
        seen.append([name.decode() for name in names])
    figures = rate(times, [len(names) for names in seen])
    figures |= account(ids, [name for names in seen for name in names], options)
    print(told(figures, options))
    if options.json:
        from fer_models.resume import write_text

        write_text(options.json, json.dumps(figures, indent=2) + "\n")
    shared = options.job is not None
    return 1 if figures["too_often"] or (figures["missing"] and not shared) else 0


def distributed(batches, options):
    import tensorflow as tf

    service = tf.data.experimental.service
    return batches.apply(
        service.distribute(service.ShardingPolicy.DYNAMIC, options.dispatcher, job_name=options.job)
    ).prefetch(2)


def waiting(batches, patience):
    """Yield the ids of each batch; raise if none comes for so many seconds.

    The batches are taken in another thread: this one would sleep inside of TensorFlow, deaf to
    Ctrl-C, for as long as the service has no worker.
    """
    arrived = queue.Queue(maxsize=2)

    def fetch():
        try:
            for _, _, names in batches:
                arrived.put(names.numpy())
            arrived.put(None)
        except Exception as error:
            arrived.put(error)

    threading.Thread(target=fetch, daemon=True).start()
    while True:
        try:
            found = arrived.get(timeout=patience)
        except queue.Empty:
            raise TimeoutError(
                f"no batch came for {patience:g} s (--patience): the dispatcher has no worker, or "
                "one that does not answer at the --host that it was given"
            ) from None
        if found is None:
            return
        if isinstance(found, Exception):
            raise found
        yield found


def rate(times, sizes):
    """Return clips and batches a second between the first batch, which waits, and the last."""
    seconds = times[-1] - times[0] if times else 0.0
    many = len(times) > 1 and seconds > 0
    return {
        "batches": len(sizes),
        "clips": sum(sizes),
        "seconds": seconds,
        "clips_a_second": sum(sizes[1:]) / seconds if many else None,
        "batches_a_second": (len(sizes) - 1) / seconds if many else None,
    }


def account(ids, seen, options):
    """Return which clips came too seldom or too often, with how often."""
    counts = collections.Counter(seen)
    wanted = dict.fromkeys(ids, options.passes)
    return {
        "expected": len(ids),
        "passes": options.passes,
        "missing": {name: counts[name] for name in wanted if counts[name] < wanted[name]},
        "too_often": {name: n for name, n in counts.items() if n > wanted.get(name, 0)},
    }


def told(figures, options):
    lines = [f"{figures['clips']} clips in {figures['batches']} batches."]
    if figures["clips_a_second"] is not None:
        lines.append(
            f"After the first: {figures['seconds']:.2f} s, {figures['clips_a_second']:.1f} clips "
            f"and {figures['batches_a_second']:.2f} batches a second."
        )
    times = "once" if options.passes == 1 else f"{options.passes} times"
    if not figures["missing"] and not figures["too_often"]:
        lines.append(f"Each of the {figures['expected']} clips came exactly {times}.")
    for key, what in (("missing", "too seldom"), ("too_often", "too often")):
        names = list(figures[key])
        if key == "missing" and options.job is not None and names:
            lines.append(f"{len(names)} of {figures['expected']} are left to others of this job.")
        elif names:
            lines.append(
                f"{len(names)} of {figures['expected']} clips came {what}, not {times}: "
                f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}."
            )
    return "\n".join(lines)


def check_reachable(address):
    host, port = ADDRESS.fullmatch(address).groups()
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"--dispatcher must be where a dispatcher runs. Received: {address} ({error})"
        ) from error


def wait_for_the_end():
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


# Everything on one machine.


def run_locally(options, words):
    """Run dispatcher, workers and client; return the client's status."""
    each = options.cores_each
    there = sorted(os.sched_getaffinity(0)) if each else []
    shares = [there[i * each : (i + 1) * each] if each else [] for i in range(options.workers or 1)]
    with contextlib.ExitStack() as running:
        workers = {}
        if options.workers:
            dispatcher, address = running.enter_context(child(["dispatcher"])), None
            address = first_line(dispatcher, "the dispatcher")
            for number, cores in enumerate(shares, 1):
                command = ["worker", "--dispatcher", address, *pinned(cores)]
                workers[f"worker {number} of {options.workers}"] = running.enter_context(
                    child(command)
                )
            for name, worker in workers.items():
                first_line(worker, name)
            workers["the dispatcher"] = dispatcher
            words = [*words, "--dispatcher", address]
        else:
            words = [*words, *pinned(shares[0])]
        client = running.enter_context(child(["client", *words], output=None))
        return watched(client, workers)


def pinned(cores):
    return ["--cores", *map(str, cores)] if cores else []


@contextlib.contextmanager
def child(words, output=subprocess.PIPE):
    """Run this script once more, until the block ends.

    Its standard input ends with this process, however that dies, and the child with it.
    """
    process = subprocess.Popen(
        [sys.executable, __file__, *words, "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=output,
        text=True,
        # Ctrl-C is for this process alone, which then ends them in order.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()
        if process.stdout:
            process.stdout.close()


def first_line(process, name):
    line = process.stdout.readline().strip()
    if not line:
        raise ChildProcessError(f"{name} did not start: its {ended(process.wait())}")
    return line


def watched(client, servers):
    """Wait for the client; return its status, or raise if a server is lost before."""
    while client.poll() is None:
        for name, process in servers.items():
            if process.poll() is not None:
                raise ChildProcessError(
                    f"{name} was lost ({ended(process.returncode)}), and clips with it: not all "
                    "would come exactly once. Start again"
                )
        time.sleep(0.1)
    if client.returncode < 0:
        raise ChildProcessError(f"the client was lost: its {ended(client.returncode)}")
    return client.returncode


def ended(status):
    return f"status was {status}" if status >= 0 else f"end was {signal.Signals(-status).name}"


def end_with_input():
    def watch():
        # Not sys.stdin, whose lock Python would want back when it ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run(options, words):
    if options.role == "local":
        return run_locally(options, words)
    if options.cores:
        # Before TensorFlow is there: it makes as many threads as it sees cores.
        os.sched_setaffinity(0, options.cores)
    if options.role == "client":
        if options.until_eof:
            end_with_input()
        return take(options)
    # Before any thread, which would inherit that it is woken by them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    if options.until_eof:
        end_with_input()
    (dispatch if options.role == "dispatcher" else work)(options)
    return 0


def client_words(options):
    """Return the arguments of a `local` run that are its client's."""
    own = ("role", "workers", "cores_each")
    words = []
    for name, value in vars(options).items():
        if name not in own and value is not None:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words


def main(words=None):
    options = parse(words)
    try:
        status = run(options, client_words(options) if options.role == "local" else None)
    except KeyboardInterrupt:
        status = 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
