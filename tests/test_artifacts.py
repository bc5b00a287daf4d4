"""Artifacts come back from their files as they were given, whatever safetensors can hold, and say what they are."""

import numpy as np
import pytest

from effbench.api import Artifact
from effbench.artifacts import Prepared, artifact_folders, described, read_artifact, write_artifact
from effbench.contract.outputs import artifact_problems
from effbench.errors import StoreError
from effbench.inside import root_of

torch = pytest.importorskip("torch")

GIVEN = {
    "codes": np.arange(6, dtype=np.uint8).reshape(2, 3),  # packed int4: two codes a byte
    "scale": np.array(0.5),
    "flags": np.array([True, False]),
    "bf16": torch.linspace(-1, 1, 7).to(torch.bfloat16),
    "fp8": torch.linspace(-2, 2, 8).to(torch.float8_e4m3fn),
    "fp8-wide": torch.linspace(-2, 2, 8).to(torch.float8_e5m2),
    "shared": torch.arange(12.0).reshape(3, 4).T,
    "scalar": torch.tensor(3.0, dtype=torch.bfloat16),
}


def bits(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def test_every_type_comes_back_as_it_was_given(tmp_path):
    artifact = Artifact(GIVEN, {"bits": 4, "layers": ["a", "b"]})
    assert list(artifact_problems(artifact)) == []
    links = [Prepared(artifact, {"steps": 20}, "one"), Prepared(Artifact(), {}, "two")]
    sha256 = write_artifact(tmp_path, links)
    (first, second), again = read_artifact(tmp_path, root_of(tmp_path))
    assert again == sha256 and second.artifact.tensors == {} and first.settings == {"steps": 20}
    assert first.artifact.config == artifact.config
    for name, given in GIVEN.items():
        found = first.artifact.tensors[name]
        assert (type(found), found.dtype, tuple(found.shape)) == (type(given), given.dtype, tuple(given.shape)), name
        same = np.array_equal(found, given) if isinstance(given, np.ndarray) else bits(found) == bits(given)
        assert same, name


def test_an_artifact_of_arrays_alone_is_written_and_read_without_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    write_artifact(tmp_path, [Prepared(Artifact({"x": np.ones(3, np.float16)}))])
    (link,), _ = read_artifact(tmp_path, root_of(tmp_path))
    assert link.artifact.tensors["x"].dtype == np.float16


def test_a_description_names_types_shapes_and_bytes(tmp_path):
    write_artifact(tmp_path / "artifact" / "s1", [Prepared(Artifact({"w": GIVEN["bf16"]}, {"bits": 4}), {}, "m")])
    (folder,) = artifact_folders(tmp_path)
    (link,) = described(folder)
    assert link["tensors"] == {"w": {"dtype": "bfloat16", "shape": [7], "bytes": 14}}
    assert (link["method"], link["config"]) == ("m", {"bits": 4})
    with pytest.raises(StoreError, match="holds no artifact"):
        artifact_folders(tmp_path / "artifact" / "s1" / "none")


def test_the_plan_of_an_older_store_is_read(tmp_path):
    write_artifact(tmp_path, [Prepared(Artifact({"x": np.ones(1)}))])
    (tmp_path / "plan.yaml").write_text("- {bits: 8}\n")
    (link,), _ = read_artifact(tmp_path, root_of(tmp_path))
    assert (link.artifact.config, link.settings) == ({"bits": 8}, {})


@pytest.mark.parametrize(
    "tensor, words",
    [
        (torch.eye(2).to_sparse(), "sparse"),
        (torch.ones(2, dtype=torch.complex64), "complex64"),
        (np.ones(2, np.complex64), "complex64"),
        ([1.0], "is list"),
    ],
)
def test_what_no_file_holds_is_a_sentence(tensor, words):
    assert words in next(artifact_problems(Artifact({"x": tensor})))
