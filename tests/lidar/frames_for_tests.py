"""Small frames with truths and detections at will, without points."""

import numpy as np

from effbench.lidar.frames import CLASSES, Detections, Frame

SIZES = {
    "Car": (3.9, 1.6, 1.56),
    "Van": (5.0, 1.9, 2.2),
    "Pedestrian": (0.8, 0.6, 1.73),
    "Person_sitting": (0.8, 0.6, 1.27),
    "Cyclist": (1.76, 0.6, 1.73),
    "DontCare": (0.0, 0.0, 0.0),
}


def box_of(name, x, y, heading=0.0, z=-0.8):
    return [x, y, z, *SIZES[name], heading]


def frame_of(*truths, name="f", scene="s", height=100.0, image_boxes=None):
    """``truths``: (class, x, y), then truncation, occlusion and height in pixels where they are not 0, 0 and ``height``."""
    rows = [(*truth, *(0.0, 0, height)[len(truth) - 3 :]) for truth in truths]
    return Frame(
        name,
        scene,
        np.zeros((0, 4), np.float32),
        np.array([box_of(*row[:3]) for row in rows]).reshape(-1, 7),
        tuple(row[0] for row in rows),
        np.array([row[3] for row in rows], np.float64),
        np.array([row[4] for row in rows], np.int64),
        np.array([row[5] for row in rows], np.float64),
        image_boxes=np.zeros((0, 4)) if image_boxes is None else np.array(image_boxes, np.float64),
    )


def found_of(*found):
    """``found``: (class, x, y, score)."""
    return Detections(
        np.array([box_of(*row[:3]) for row in found]).reshape(-1, 7),
        np.array([row[3] for row in found], np.float64),
        np.array([CLASSES.index(row[0]) for row in found], np.int64),
    )


def cars(count, first=10.0):
    """Places of cars that do not touch each other, from ``first`` metres ahead on."""
    return [("Car", first + 5 * (i // 15), 3.0 * (i % 15) - 21) for i in range(count)]


def drawn(rng, name="f", scene="s"):
    """A frame with truths of all kinds and detections that find some, double some and miss some, scores tied at times."""
    truths = []
    for _ in range(rng.integers(0, 9)):
        kind = rng.choice(["Car", "Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "DontCare"])
        hard = (rng.choice([0.0, 0.2, 0.4, 0.6]), int(rng.integers(0, 4)), float(rng.choice([20, 30, 45, 90])))
        truths.append((str(kind), rng.uniform(5, 45), rng.uniform(-20, 20), *hard))
    frame = frame_of(*truths, name=name, scene=scene)
    boxes, labels = [], []
    for box, kind in zip(frame.boxes, frame.classes):
        for _ in range(rng.integers(0, 4)):
            spread = rng.choice([0.03, 0.1, 0.4])
            shown = kind if kind in CLASSES and rng.random() < 0.8 else str(rng.choice(CLASSES))
            moved = np.array(box_of(shown, *box[:2]))
            boxes.append(moved + rng.normal(0, spread, 7) * [1, 1, 0.3, 0.3, 0.3, 0.3, 0.3])
            labels.append(CLASSES.index(shown))
    for _ in range(rng.integers(0, 5)):
        shown = str(rng.choice(CLASSES))
        boxes.append(box_of(shown, rng.uniform(5, 90), rng.uniform(-20, 20)))
        labels.append(CLASSES.index(shown))
    scores = rng.integers(1, 12, len(boxes)) / 12
    return frame, Detections(np.array(boxes).reshape(-1, 7), scores, np.array(labels, np.int64))
