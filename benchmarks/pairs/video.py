"""Frames at 1 per second from video, as RGB arrays: our decoding against decord's, per CPU second.

    python -m venv /tmp/peer; /tmp/peer/bin/pip install decord numpy
    OMP_NUM_THREADS=1 python -m benchmarks.pairs --only video --decord-python /tmp/peer/bin/python [--videos FILE ...]

Both decode on one thread. decord seeks to the frame of each second; we decode from the start to the end and leave out
frames to which no other refers. Without --videos one is made: a moving picture, H.264 as x264 makes it by default.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from benchmarks.bounded_rows import Row
from benchmarks.pairs.config import PairsConfig
from corpusloom.pipelines.stages.clips.decoding import Limits, decoded, frames_at, open_video, timed
from corpusloom.pipelines.stages.clips.pictures import rgb
from corpusloom.pipelines.stages.clips.skipping import needed_frames

SECONDS, RATE, WIDTH, HEIGHT = 60, 25, 640, 360
SIDE = """
import json, sys, time
import decord, numpy as np
found = []
for path in sys.argv[1:]:
    start = time.process_time()
    reader = decord.VideoReader(path, num_threads=1)
    times = reader.get_frame_timestamp(np.arange(len(reader)))
    first, last = times[0, 0], times[-1, 1]
    wanted = np.arange(0, last - first, 1.0) + first
    frames = reader.get_batch(np.searchsorted(times[:, 0], wanted + 1e-6, side="right") - 1).asnumpy()
    found.append((time.process_time() - start, len(frames)))
print(json.dumps([sum(seconds for seconds, _ in found), sum(frames for _, frames in found)]))
"""


def write_video(path: Path, seconds: int) -> Path:
    """Write a picture of noise that moves a pixel per frame, behind a square that does not move."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(seconds * RATE):
            pixels = np.roll(noise, number, 1)
            pixels[100:200, 100:200] = 128
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frames_of(path: str) -> list[np.ndarray]:
    """Return the frame of each second."""
    limits, problems = Limits(), Counter[str]()
    needed = needed_frames(path, limits, (1000 * second for second in range(limits.seconds)))
    with open_video(path, limits) as (container, stream):
        frames = timed(decoded(container, stream, problems, needed), stream, limits, problems)
        marks = ((1000 * second, second) for second in range(limits.seconds))
        return [rgb(item.frame) for _, item in frames_at(frames, marks)]


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the frames per CPU second, and their rate over that of decord."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = list(config.videos) or [str(write_video(Path(scratch) / "made.mp4", SECONDS))]
        ours, theirs, frames, other = [], [], 0, 0
        for _ in range(config.rounds):
            start = time.process_time()
            frames = sum(len(frames_of(path)) for path in paths)
            ours.append(frames / (time.process_time() - start))
            if config.decord_python:
                command = [config.decord_python, "-c", SIDE, *paths]
                seconds, other = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
                theirs.append(other / seconds)
    rate = statistics.median(ours)
    yield Row("frames from video at 1 fps, per CPU s", rate, 0, 0, False, f"{frames} frames of {len(paths)} videos")
    ratio = rate / statistics.median(theirs) if theirs else None
    note = f"decord: {other} frames" if theirs else "give --decord-python"
    yield Row("frames from video / decord", ratio, 0.8, 1.2, False, note)
