"""The slow work for all clips: here one after another, or by Apache Beam on many cores."""

import contextlib
import functools
import os
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from fer_data.datasets.clip_preparation import Recipe, kept_path, prepare_and_keep
from fer_data.datasets.clip_rows import Clip

INSTALL = 'pip install "fer-keras[beam]"'


def prepare_all(
    clips: Sequence[Clip],
    recipe: Recipe,
    folder: str | os.PathLike[str],
    beam_runner: Any = None,
    beam_options: Any = None,
    name: str = "clips",
) -> None:
    """Prepare clips and keep them in a folder; those that are kept there already are not redone.

    Args:
        clips: List of `Clip`.
        recipe: `Recipe`.
        folder: Where finished clips are kept. All workers of a runner must see it, and the data
            set, under the same path.
        beam_runner: `None` to do it in this process; or a runner of Apache Beam, or its name
            (`"DirectRunner"`, `"FlinkRunner"`, ...).
        beam_options: Options of the pipeline, as Beam takes them: `PipelineOptions`, or a list of
            flags such as `["--direct_num_workers=4", "--direct_running_mode=multi_processing"]`.
        name: What progress calls them.

    Raises:
        ImportError: If a runner is asked for and Apache Beam is not installed.
    """
    left = [clip for clip in clips if not kept_path(folder, clip).exists()]
    if not left:
        return
    from tqdm import tqdm

    work = functools.partial(prepare_and_keep, recipe=recipe, folder=str(folder))
    done = len(clips) - len(left)
    with tqdm(desc=f"Preparing {name}", unit=" clips", total=len(clips), initial=done) as progress:
        if beam_runner is None and beam_options is None:
            for clip in left:
                work(clip)
                progress.update()
        else:
            with _watching(left, folder, progress):
                _by_beam(left, work, beam_runner, beam_options)


@contextlib.contextmanager
def _watching(left, folder, progress, seconds=1.0):
    """Show how many clips the workers have kept: Beam itself shows nothing before the end."""
    over = threading.Event()

    def watch():
        seen = set()
        last = False
        while not last:
            # One more look after the end, for what was kept since the one before.
            last = over.wait(seconds)
            new = {clip.id for clip in left if kept_path(folder, clip).exists()} - seen
            seen |= new
            progress.update(len(new))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _by_beam(left, work, runner, options):
    beam = import_beam()
    if not isinstance(options, beam.options.pipeline_options.PipelineOptions):
        # Not what stands on this process's own command line, which is what None would mean.
        options = beam.options.pipeline_options.PipelineOptions(list(options or ()))
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(left)
            # Without it, Beam would fuse the steps and one worker would do all clips.
            | beam.Reshuffle()
            | beam.Map(work)
        )


def import_beam() -> ModuleType:
    """Return `apache_beam`, or raise `ImportError` with the command that installs it."""
    try:
        import apache_beam
        import apache_beam.options.pipeline_options
    except ImportError as error:
        raise ImportError(
            f"`beam_runner` and `beam_options` need Apache Beam, which cannot be imported "
            f"({error}). Run: {INSTALL}"
        ) from error
    return apache_beam
