from importlib.resources import files

import yaml

from effbench.zoo.emoji_scenes import prompts as module
from effbench.zoo.emoji_scenes.language import NONE, parse, sentence
from effbench.zoo.emoji_scenes.prompts import AMONG, LISTS, candidates, draw_list, prompts, split_at
from effbench.zoo.emoji_scenes.splits import split_of


def test_the_manifest_is_what_the_code_prints(capsys):
    module.main()
    assert files("effbench_data_manifests").joinpath("emoji_prompts.yaml").read_text() == capsys.readouterr().out


def test_ids_and_sentences_are_unique_over_all_lists():
    everything = [entry for name in LISTS for entry in prompts(name)]
    assert len({entry.id for entry in everything}) == len(everything)
    assert len({entry.prompt for entry in everything}) == len(everything)


def test_every_prompt_is_of_its_split():
    for name, count in LISTS.items():
        assert len(prompts(name)) == count
        for place, (entry, scene) in enumerate(zip(prompts(name), draw_list(name), strict=True)):
            assert parse(entry.prompt) == scene and sentence(scene) == entry.prompt
            assert split_of(scene) == split_at(name, place)
            assert name == "pool" or split_of(scene) == name.replace("_", "-")


def test_the_pool_holds_scenes_of_both_kinds():
    splits = [split_of(parse(entry.prompt)) for entry in prompts("pool")]
    assert splits.count("evaluation") == 60 and splits.count("held-out") == 240


def test_any_beginning_of_a_list_is_mixed():
    for name in LISTS:
        half = [parse(entry.prompt) for entry in prompts(name)][: LISTS[name] // 2]
        assert sum(scene.second == NONE for scene in half) == len(half) // 2


def test_candidates_start_with_the_prompt_and_contradict_it():
    for name in LISTS:
        scenes = [parse(entry.prompt) for entry in prompts(name)]
        for place, rows in enumerate(candidates(name)):
            assert rows[0] == place and len(set(rows)) == AMONG == len(rows)
            for other in rows[1:]:
                a, b = scenes[place], scenes[other]
                same_size = 0 in (a.size, b.size) or a.size == b.size
                same_ground = NONE in (a.ground, b.ground) or a.ground == b.ground
                assert a[:3] != b[:3] or not (same_size and same_ground)


def test_the_manifest_names_its_terms():
    for name in ("emoji_prompts.yaml", "emoji_scenes.yaml"):
        facts = yaml.safe_load(files("effbench_data_manifests").joinpath(name).read_text())
        assert facts["licence"] and facts["source"]
