"""Checkpoint folders: what is read, and what is said when something is wrong with one."""

import pytest
import torch
import yaml
from checkpoints import write_tiny_vae
from safetensors.torch import load_file, save_file

from playground import registry
from playground.api import PlaygroundError


@pytest.fixture
def folder(tmp_path):
    return write_tiny_vae(tmp_path / "tiny")


def write_front(folder, text):
    (folder / "README.md").write_text(f"---\n{text}\n---\n\nBody.\n", encoding="utf-8")


def edit_card(folder, **changes):
    """Changes keys of the 'playground' section; None removes one."""
    front, _ = registry.read_front(folder)
    own = {**front["playground"], **changes}
    front["playground"] = {key: value for key, value in own.items() if value is not None}
    write_front(folder, yaml.safe_dump(front))


def test_a_written_card_is_read_back(folder):
    card = registry.read_card(folder)
    assert (card.name, card.family, card.shape, card.folder) == ("tiny", "vae", (1, 28, 28), folder)
    assert card.license == "apache-2.0" and card.summary == "A network for tests."
    assert card.digests == {"model.safetensors": registry.sha256(folder / "model.safetensors")}


def test_a_loaded_model_is_frozen_and_knows_its_card(folder):
    model = registry.load(registry.read_card(folder))
    assert model.card.name == "tiny" and not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_scores_and_words_survive_rewriting(folder):
    front, body = registry.read_front(folder)
    front["playground"]["scores"] = {"likelihood": {"nats": 90.5, "protocol": "−log p(x), größer"}}
    registry.write_card(folder, front, body)
    registry.write_card(folder, *registry.read_front(folder))
    card = registry.read_card(folder)
    assert card.scores["likelihood"] == {"nats": 90.5, "protocol": "−log p(x), größer"}
    assert card.summary == "A network for tests."


def test_a_folder_without_a_card_says_so(folder):
    (folder / "README.md").unlink()
    with pytest.raises(PlaygroundError, match=r"tiny has no README\.md.*needs one"):
        registry.read_card(folder)


@pytest.mark.parametrize(
    "text",
    ["", "just words", "playground: 7", "- a\n- list", "a: [unclosed", "playground:\n  - family", "other: {}", "\t"],
)
def test_a_malformed_card_says_what_it_must_have(folder, text):
    write_front(folder, text)
    with pytest.raises(PlaygroundError, match=r"tiny.*playground"):
        registry.read_card(folder)


def test_a_card_that_is_not_text_is_refused(folder):
    (folder / "README.md").write_bytes(b"---\nplayground: \xff\xfe\n---\n")
    with pytest.raises(PlaygroundError, match="tiny"):
        registry.read_card(folder)


@pytest.mark.parametrize("key", registry.REQUIRED)
def test_a_missing_key_is_named(folder, key):
    edit_card(folder, **{key: None})
    with pytest.raises(PlaygroundError, match=f"tiny lacks {key}"):
        registry.read_card(folder)


@pytest.mark.parametrize("shape", [[28, 28], "large", [1, 28, "x"], 28, [1, 28, 28, 28]])
def test_a_bad_shape_says_what_a_shape_is(folder, shape):
    edit_card(folder, shape=shape)
    with pytest.raises(PlaygroundError, match="channels, height, width"):
        registry.read_card(folder)


def test_an_unknown_key_does_no_harm(folder):
    edit_card(folder, colour="blue")
    assert registry.read_card(folder).family == "vae"


@pytest.mark.parametrize("family", ["nothing", "os", "../vae", 3])
def test_an_unknown_family_lists_the_known_ones(folder, family):
    edit_card(folder, family=family)
    with pytest.raises(PlaygroundError, match=r"Known: .*vae"):
        registry.load(registry.read_card(folder))


def test_a_changed_weight_file_is_refused(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(PlaygroundError, match=r"digest of tiny/model\.safetensors.*Fetch the folder again"):
        registry.load(registry.read_card(folder))


def test_a_lost_weight_file_is_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(PlaygroundError, match=r"lacks its weight file model\.safetensors"):
        registry.load(registry.read_card(folder))


def test_a_weight_file_the_card_does_not_know_is_refused(folder):
    save_file({"more": torch.zeros(3)}, folder / "more.safetensors")
    with pytest.raises(PlaygroundError, match=r"more\.safetensors"):
        registry.load(registry.read_card(folder))


@pytest.mark.parametrize("digests", ["abc", ["abc"], {"model.safetensors": 7}])
def test_malformed_digests_are_refused(folder, digests):
    edit_card(folder, digests=digests)
    with pytest.raises(PlaygroundError, match="tiny"):
        registry.load(registry.read_card(folder))


def with_honest_digests(folder):
    """Renews the digests, as somebody would who builds a folder by hand."""
    registry.write_card(folder, *registry.read_front(folder))
    return registry.read_card(folder)


def test_a_missing_tensor_is_an_error_with_advice(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors[next(key for key in tensors if key.startswith("decoder"))]
    save_file(tensors, path)
    with pytest.raises(PlaygroundError, match=r"do not fit.*python -m playground train"):
        registry.load(with_honest_digests(folder))


def test_a_tensor_of_another_shape_is_an_error_with_advice(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({key: torch.zeros(3, 3, 3) for key in tensors}, path)
    with pytest.raises(PlaygroundError, match="do not fit"):
        registry.load(with_honest_digests(folder))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"not safetensors at all, but some text"], ids=["empty", "zeros", "text"]
)
def test_a_file_that_is_not_safetensors_is_an_error_with_advice(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(PlaygroundError, match="do not fit"):
        registry.load(with_honest_digests(folder))


def test_a_pickle_is_never_opened(folder, tmp_path):
    """A folder with a pickled checkpoint and no safetensors is refused, and the pickle's code does not run."""

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    (folder / "model.safetensors").unlink()
    torch.save({"model": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(PlaygroundError):
        registry.load(with_honest_digests(folder))
    assert not (tmp_path / "opened").exists()


def test_one_broken_folder_does_not_hide_the_others(tmp_path):
    write_tiny_vae(tmp_path / "good")
    write_front(write_tiny_vae(tmp_path / "bad"), "nonsense")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a folder")
    assert list(registry.discover(tmp_path)) == ["good"]


def test_a_missing_root_holds_no_models(tmp_path):
    assert registry.discover(tmp_path / "nowhere") == {}
