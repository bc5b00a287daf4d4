"""What a forger does to a submission, from the careless to the careful who makes everything follow."""

import json
import shutil

import numpy as np
import yaml

from effbench.api import weighted_means
from effbench.atomic import file_sha256
from effbench.numbers.parts import rows_of
from effbench.numbers.record import recomputed
from effbench.parts import KeptOutputs, read_part, read_parts, write_outputs, write_part
from effbench.replicates import Replicates, cluster_hash, write_replicates
from effbench.stats.resampled import resample
from effbench.store import SAMPLE_KEY, CellFolder
from effbench.submission.manifest import read_manifest

METHOD = "toy-momentum"


def listed_again(path):
    """Have the manifest list the files as they are now, as whoever changes them would."""
    content = yaml.safe_load((path / "submission.yaml").read_text())
    files = [file for file in path.rglob("*") if file.is_file() and file.stat().st_size < 1 << 24]
    beside = ("submission.yaml", "verification.json")
    names = [str(file.relative_to(path)) for file in files if file.name not in beside]
    content["files"] = {name: file_sha256(path / name) for name in names}
    (path / "submission.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def own_cell(path):
    (cell_id,) = read_manifest(path).cells
    return path / "cells" / cell_id


def rewrite_record(folder, change):
    """Change a record, and have it name its files as they are now."""
    record = json.loads((folder / "cell.json").read_text())
    change(record)
    record["files"] = {name: file_sha256(folder / name) for name in record["files"] if (folder / name).exists()}
    for part in ("samples", "timings", "draws"):
        record["files"] |= {f"{part}/{f.name}": file_sha256(f) for f in (folder / part).glob("*.parquet")}
    (folder / "cell.json").write_text(json.dumps(record))


def believed(folder):
    """Write the record that follows from the parts as they are now, as a careful forger would."""
    rewrite_record(folder, lambda record: None)
    cell = CellFolder(folder)
    cell.write_record(recomputed(cell, cell.record()))


def changed_json(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def changed_samples(folder, change):
    """Change the table of samples, given as column -> values."""
    table = read_parts(folder / "samples", SAMPLE_KEY)
    meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    for file in list((folder / "samples").iterdir()):
        file.unlink()
    columns = {name: table[name].to_pylist() for name in table.column_names}
    write_part(folder / "samples", "merged", change(columns) or columns, meta)


def resummed(folder):
    """Make summary and resamples of the scores as they are now: of means over samples, whose task needs not be asked."""
    cell = CellFolder(folder)
    setting = cell.setting()
    rows = rows_of(cell, setting.asked.seeds, setting.samples)
    summarise = weighted_means([declared.metric for declared in setting.declared.metrics], rows.scores)
    values = summarise(np.ones(len(rows.ids)))
    changed_json(folder / "jobs" / "summary.json", lambda job: job["data"]["summary"].update(values=values))
    made = resample(summarise, rows.groups, setting.asked.resamples)
    write_replicates(cell, Replicates.of(made, cluster_hash(rows.ids, setting.asked.seeds, rows.groups)))
    believed(folder)


def forged_scores(folder):
    """Better every score by half, and whatever follows from the scores."""
    changed_samples(folder, lambda columns: columns.update({"score.gap": [v * 1.5 for v in columns["score.gap"]]}))
    resummed(folder)


def forged_summary(folder):
    """Better a number where it is made of scores, and have the record follow."""
    changed_json(folder / "jobs" / "summary.json", lambda job: job["data"]["summary"]["values"].update(gap=-9.0))
    believed(folder)


def narrowed(folder):
    """Ask for another level of intervals than the suite did, and have the record follow."""
    changed_json(folder / "setting.json", lambda setting: setting["asked"].update(ci=0.5))
    believed(folder)


def swapped_outputs(folder):
    """Give every sample the output of another."""
    kept = KeptOutputs(folder / "outputs")
    ids = sorted({sample for sample, _ in kept.captions})
    outputs = {name: kept.batch([name], 0)[0] for name in ids}
    shutil.rmtree(folder / "outputs")
    write_outputs(folder / "outputs", "s0-k", ids, 0, [outputs[name] for name in [*ids[1:], ids[0]]])


def dropped_row(folder):
    """Leave a sample out of the table."""
    changed_samples(folder, lambda columns: {name: values[:-1] for name, values in columns.items()})
    rewrite_record(folder, lambda record: None)


def dropped_sample(folder):
    """Leave a sample out of the table and out of what was asked, and have everything follow."""
    changed_samples(folder, lambda columns: {name: values[1:] for name, values in columns.items()})
    left = read_parts(folder / "samples", SAMPLE_KEY)["sample_id"].to_pylist()
    changed_json(folder / "setting.json", lambda setting: setting.update(samples=left, pool=len(left)))
    changed_json(folder / "cell.json", lambda record: record.update(n_samples=len(left)))
    resummed(folder)


def turned_direction(folder):
    """Declare that more of the primary quality is better."""
    changed_json(folder / "setting.json", lambda s: s["declared"]["metrics"][0].update(higher_is_better=True))
    believed(folder)


def borrowed_outputs(folder, other):
    """Present outputs of another method, with the scores and the summary that they have, as one's own."""
    for name in ("samples", "draws", "outputs"):
        shutil.rmtree(folder / name)
        shutil.copytree(other / name, folder / name)
    for name in ("quality", "summary"):
        shutil.copyfile(other / "jobs" / f"{name}.json", folder / "jobs" / f"{name}.json")
    believed(folder)


def raised_clock(folder):
    """Divide the times of a method by ten, and have everything follow from that."""
    for file in sorted((folder / "timings").iterdir()):
        table = read_part(file)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        columns["wall_ns"] = [max(1, value // 10) for value in columns["wall_ns"]]
        file.unlink()
        write_part(folder / "timings", file.name.split(".")[0], columns, {})
    believed(folder)
