"""Entry points of fake distributions: duplicates, versions, broken modules."""

import sys

import pytest

from effbench.api import Method
from effbench.errors import BadInput
from effbench.registry import Registry, code_version

METHOD = """
from effbench.api import Method, System
class M(Method):
    name = {name!r}
    api_version = {version}
    accepts = (System,)
    def apply(self, system, artifact):
        return system
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(dist, module, name, source):
        info = tmp_path / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[effbench.test]\n{name} = {module}:M\n")
        (tmp_path / f"{module}.py").write_text(source)

    return add


def registry():
    return Registry("method", "effbench.test", Method)


def test_listing_imports_nothing_and_get_loads(install):
    install("dist-a", "module_listing", "one", METHOD.format(name="one", version=2))
    plugins = registry()
    assert plugins.names() == ["one"]
    assert "module_listing" not in sys.modules
    assert plugins.get("one").name == "one"


def test_a_name_claimed_twice_names_both_origins(install):
    install("dist-a", "module_dup_a", "one", METHOD.format(name="one", version=2))
    install("dist-b", "module_dup_b", "one", METHOD.format(name="one", version=2))
    with pytest.raises(BadInput, match=r"dist-a 1\.0.*dist-b 1\.0"):
        registry().get("one")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        (METHOD.format(name="one", version=7), "api_version 7, this EffBench has 2"),
        (METHOD.format(name="two", version=2), "calls itself 'two'"),
        ("M = 3", "not a subclass of Method"),
        ("import no_such_thing", "ModuleNotFoundError"),
    ],
    ids=["version", "name", "type", "import"],
)
def test_a_broken_plugin_is_recorded_and_fatal_for_its_name_only(install, source, hint, request):
    tag = request.node.callspec.id
    install("dist-bad", f"module_bad_{tag}", "one", source)
    install("dist-good", f"module_good_{tag}", "fine", METHOD.format(name="fine", version=2))
    plugins = registry()
    assert plugins.get("fine").name == "fine"
    assert hint in plugins.broken()["one"]
    with pytest.raises(BadInput, match="one"):
        plugins.get("one")


def test_an_unknown_name_gets_the_nearest(install):
    install("dist-a", "module_near", "window-attention", METHOD.format(name="window-attention", version=2))
    with pytest.raises(BadInput, match="did you mean 'window-attention'"):
        registry().get("window-atention")


def test_the_code_version_follows_the_source(install, tmp_path):
    install("dist-a", "module_code", "one", METHOD.format(name="one", version=2))
    before = code_version(registry().get("one"))
    with (tmp_path / "module_code.py").open("a") as file:
        file.write("# changed\n")
    code_version.cache_clear()
    assert code_version(registry().get("one")) != before


def test_the_code_version_follows_shared_bases_and_the_system_type(tmp_path, monkeypatch):
    import importlib

    for name, text in {
        "shared/__init__.py": "",
        "shared/base.py": "class Base: pass\nclass Thing: pass\n",
        "shared/noise.py": "SEED = 1\n",
        "own/__init__.py": "",
        "own/task.py": "from shared.base import Base\nclass Own(Base): pass\n",
        "alone/__init__.py": "",
        "alone/task.py": "from shared.base import Thing\nclass Alone:\n    system_type = Thing\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = [importlib.import_module("own.task").Own, importlib.import_module("alone.task").Alone]
    before = [code_version(plugin) for plugin in plugins]
    (tmp_path / "shared" / "noise.py").write_text("SEED = 2\n")
    code_version.cache_clear()
    assert all(code_version(plugin) != old for plugin, old in zip(plugins, before))


def test_the_tasks_of_one_family_share_their_code():
    from effbench.registry import _is_ours_to_hash, _sources, tasks

    pipelines = ("tasks/diffusion/fidelity.py", "effbench/diffusion/system.py")
    for name, folders in (("t2i", pipelines), ("t2v", pipelines), ("denoiser", pipelines[1:])):
        task = tasks.get(name)
        classes = [*task.__mro__, task.system_type]
        files = [file for cls in classes if _is_ours_to_hash(cls) for file in _sources(cls)]
        assert all(any(file.as_posix().endswith(folder) for file in files) for folder in folders), name
