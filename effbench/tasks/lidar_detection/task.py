"""The task ``lidar-detection``: 3D boxes of cars, pedestrians and cyclists in LiDAR frames.

A sample is a frame, the system a detector. KITTI's average precision is reported as its benchmark has it (R40, and R11 for
older tables), with what does not depend on the number of objects beside it, by range, and by the distance of centres.
Each training of a method is judged by itself; a metric is the mean over trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import (
    PROBED_ITEMS,
    Context,
    Output,
    Picture,
    PluginError,
    Sample,
    Scores,
    Split,
    StrictParams,
    Summariser,
    Task,
    Unsupported,
)
from effbench.arrays import Array
from effbench.lidar.frames import CLASSES, Detections
from effbench.tasks.lidar_detection.detectors import load, sha256_of
from effbench.tasks.lidar_detection.frame_source import FrameSource
from effbench.tasks.lidar_detection.metrics import METRICS
from effbench.tasks.lidar_detection.packing import packed, unpacked
from effbench.tasks.lidar_detection.scoring import frame_arrays, frame_scalars, set_summariser, small_set_remarks
from effbench.tasks.lidar_detection.sources import GENERATED, find_source, read
from effbench.tasks.lidar_detection.system import PLACES, LidarSystem


class LidarDetection(Task):
    """Find cars, pedestrians and cyclists in LiDAR frames, generated or of a KITTI folder."""

    name = "lidar-detection"
    system_type = LidarSystem
    preload = ("torch",)
    small: ClassVar[Mapping[str, Any]] = {"frames": 20}
    metrics = METRICS

    class Params(StrictParams):
        """Parameters of the task."""

        data: Annotated[
            str,
            Field(
                description="`generated` (scenes of the manifest), or a folder in KITTI's layout (velodyne, label_2, "
                "calib) or nuScenes' (v1.0-..., samples)."
            ),
        ] = GENERATED
        sweeps: Annotated[
            str,
            Field(description="Folder of a KITTI folder's sweeps: velodyne, or velodyne_reduced where cut already."),
        ] = "velodyne"
        profile: Annotated[str, Field(description="Sensor of generated scenes: 64-beam or 32-beam.")] = "64-beam"
        frames: Annotated[
            int | None,
            Field(ge=1, description="Frames that are evaluated, the first ones of the split; all by default."),
        ] = None
        system: Annotated[
            str, Field(description="`zoo:lidar-detectors/NAME`, or a .safetensors file that the recipe exported.")
        ] = "zoo:lidar-detectors/dense"

    @cached_property
    def source(self) -> FrameSource:
        """Return where frames come from; raise ``PluginError`` where parameters name none."""
        return find_source(self.params.data, self.params.sweeps, self.params.profile, self.params.frames)

    def check(self) -> None:
        """Raise ``PluginError`` for data, a profile or weights that are not there or cannot be used."""
        _ = self.source, sha256_of(self.params.system)

    def revision(self) -> str:
        """Return the hash of the weights and what pins the frames."""
        return f"{sha256_of(self.params.system)[:16]} on {self.source.revision()}"

    def load(self, ctx: Context) -> LidarSystem:
        """Return the detector; raise ``Unsupported`` elsewhere than on a CPU in float32.

        Calibration frames are made here where they are not cached yet, so that no call that is timed makes one.
        """
        if ctx.device != "cpu" or ctx.dtype != "float32":
            raise Unsupported(f"LiDAR detectors run on a CPU in float32, not on {ctx.device} in {ctx.dtype}")
        system = load(self.params.system)
        for key in self.source.keys("calibration"):
            read(self.source, key.name)
        return system

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the frames of a split by name, grouped by scene."""
        return [Sample(key.name, {"frame": key.name}, group=key.scene) for key in self.source.keys(split)]

    def run(self, system: LidarSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per frame its ``boxes`` [K, 7], ``scores`` [K], ``labels`` [K], ``area`` [4] and what it told of cells.

        Frames are detected one at a time, as a sensor gives them. ``training`` [1] is the seed that the system was made
        under: results of two are not mixed. Cells are ``cells_PLACE`` (``packing``).
        """
        outputs = []
        for sample in batch:
            frame = read(self.source, sample.data["frame"])
            found = system.detect([system.shown(frame)])[0]
            outputs.append(
                {
                    "boxes": np.asarray(found.boxes, np.float64),
                    "scores": np.asarray(found.scores, np.float64),
                    "labels": _numbered(found.labels, system.classes),
                    "area": system.area(),
                    "training": np.array([seed]),
                    **{f"cells_{place}": packed(cells) for place, cells in system.told().items()},
                }
            )
        return outputs

    def probes(self, system: LidarSystem, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return detections on calibration frames that are in memory: reading a file is not what is timed."""
        keys = self.source.keys("calibration")
        if not keys:
            raise PluginError(f"data {self.params.data!r}: no frame to time on; give it a split named train")
        items = max(1, min(PROBED_ITEMS, len(keys) // batch_size))
        batches = [[keys[(item + j * items) % len(keys)] for j in range(batch_size)] for item in range(items)]
        frames = {key.name: system.shown(read(self.source, key.name)) for keys_of in batches for key in keys_of}
        return [partial(system.detect, [frames[key.name] for key in keys_of]) for keys_of in batches]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return what each frame gives: matched once here, counted in ``summariser``."""
        scalars: dict[str, list[float]] = {}
        arrays: dict[str, list[Array]] = {}
        for output, sample in zip(outputs, batch, strict=True):
            frame, camera = read(self.source, sample.data["frame"]), self.source.camera(sample.data["frame"])
            found = Detections(output["boxes"], output["scores"], output["labels"])
            told = {place: unpacked(output[f"cells_{place}"]) for place in PLACES if f"cells_{place}" in output}
            for name, value in frame_scalars(frame, told).items():
                scalars.setdefault(name, []).append(value)
            for name, array in frame_arrays(frame, found, camera, CLASSES).items():
                arrays.setdefault(name, []).append(array)
            arrays.setdefault("training", []).append(output["training"])
        return Scores({name: np.array(values, np.float64) for name, values in scalars.items()}, arrays)

    def summariser(self, scores: Scores) -> Summariser:
        """Return the weighted means of what was dropped, and the metrics of the whole set."""
        means, of_the_set = super().summariser(scores), set_summariser(scores)
        return lambda weights: means(weights) | of_the_set(weights)

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return which numbers stand on too few objects."""
        return small_set_remarks(scores)

    def preview(self, sample: Sample, output: Output) -> Sequence[Picture]:
        """Return the frame from above, one picture for each place where the system told of cells, else one."""
        from effbench.lidar.picture import LEGEND, from_above

        frame = read(self.source, sample.data["frame"])
        found = Detections(output["boxes"], output["scores"], output["labels"])
        told = {place: unpacked(output[f"cells_{place}"]) for place in PLACES if f"cells_{place}" in output}
        if not told:
            return (Picture(LEGEND, from_above(frame, found, output["area"])),)
        return tuple(
            Picture(
                f"{LEGEND}; {PLACES[place]}: kept blue, dropped red", from_above(frame, found, output["area"], cells)
            )
            for place, cells in told.items()
        )


def _numbered(labels: Array, names: Sequence[str]) -> Array:
    """Return labels as positions in ``CLASSES`` [K]; raise ``PluginError`` for a class that is not judged."""
    unknown = [name for name in names if name not in CLASSES]
    if unknown:
        raise PluginError(f"the detector finds {unknown[0]!r}, which is not judged; classes are {', '.join(CLASSES)}")
    places = np.array([CLASSES.index(name) for name in names], np.int64)
    numbered: Array = places[np.asarray(labels, np.int64)]
    return numbered
