"""Which device "auto" is, which cards there are, and what is said where one is not."""

import multiprocessing
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from stratacam.errors import InputError
from stratacam.networks.precision import current_precision
from stratacam.study import devices
from stratacam.study.keys import derive_parts
from stratacam.study.trained import TrainedModel, computing_with


@pytest.fixture
def cards(monkeypatch):
    """Pretend that there are two cards, of which some compute."""
    working = {"cuda", "cuda:0", "cuda:1"}
    names = ("NVIDIA H200", "NVIDIA L4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(
        torch.cuda,
        "get_device_properties",
        lambda number: SimpleNamespace(name=names[number], total_memory=1000 * (number + 1)),
    )
    ones = torch.ones

    def made(*shape, device="cpu"):
        if device != "cpu" and device not in working:
            raise RuntimeError("CUDA error: no kernel image is available\nmore of it")
        return ones(*shape)

    monkeypatch.setattr(torch, "ones", made)
    return working


def test_auto_is_the_cpu_where_there_is_no_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.resolve_device("auto") == "cpu"
    assert devices.visible_cards() == ()


def test_auto_is_cuda_where_a_card_computes(cards):
    assert devices.resolve_device("auto") == "cuda"
    cards.discard("cuda:0")
    assert devices.resolve_device("auto") == "cuda"
    cards.clear()
    assert devices.resolve_device("auto") == "cpu"


@pytest.mark.usefixtures("cards")
def test_cards_have_a_number_a_name_and_memory():
    assert [card.device for card in devices.visible_cards()] == ["cuda:0", "cuda:1"]
    assert devices.visible_cards()[1] == devices.Card(1, "NVIDIA L4", 2000)


@pytest.mark.usefixtures("cards")
def test_a_card_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(InputError) as caught:
        devices.resolve_device("cuda:2")
    assert str(caught.value) == (
        "run.device: found 'cuda:2', which cannot be used here (CUDA error: no kernel image is available); expected "
        '"auto", "cpu" or a device that is there (there is cuda:0 (NVIDIA H200), cuda:1 (NVIDIA L4)): choose another, '
        'such as "auto".'
    )


def test_where_there_is_no_card_cuda_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    with pytest.raises(InputError, match="there is no CUDA card"):
        devices.resolve_device("cuda")


def test_a_device_that_computes_wrongly_is_refused(monkeypatch):
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *shape, **_: 2 * ones(*shape))
    with pytest.raises(InputError, match="give a sum of 32, not 8"):
        devices.resolve_device("cpu")


@pytest.mark.usefixtures("cards")
def test_cards_are_shared_by_all_tasks_of_cuda_and_one_is_taken_by_name():
    assert devices.cards_for("cuda") == (0, 1)
    assert devices.cards_for("cuda:1") == (1,)
    assert devices.cards_for("cpu") == ()


def test_workers_take_cards_in_turn(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for worker in range(4):
        devices.take_card((0, 1, 3), worker)
    devices.take_card((), 1)
    assert taken == [0, 1, 3, 0]


@pytest.mark.usefixtures("cards")
def test_as_many_processes_share_the_cards_as_these_have_memory_for(monkeypatch):
    memory = (40 * 2**30, 23 * 2**30)
    monkeypatch.setattr(
        torch.cuda,
        "get_device_properties",
        lambda number: SimpleNamespace(name="card", total_memory=memory[number]),
    )
    assert devices.processes_for("cuda", 16) == 5 + 2
    assert devices.processes_for("cuda", 3) == 3
    assert devices.processes_for("cuda:1", 16) == 2
    assert devices.processes_for("cpu", 16) == 16
    memory = (2**30, 2**30)
    assert devices.processes_for("cuda", 4) == 1


def test_fast_arithmetic_is_refused_on_a_cpu():
    devices.check_precision_of("exact", "cpu")
    devices.check_precision_of("fast", "cuda:1")
    with pytest.raises(InputError, match=r'run\.precision: found "fast" on cpu; expected "exact"'):
        devices.check_precision_of("fast", "cpu")


@pytest.mark.parametrize("change", [{"precision": "fast"}, {"device": "cuda"}])
def test_a_result_of_another_precision_or_device_is_not_taken(tmp_path, change):
    made = TrainedModel(tmp_path, "key", "cpu", architecture="vgg16")
    keys = [str(derive_parts(one, (), made={}, content=str)) for one in (made, replace(made, **change), made)]
    assert keys[0] == keys[2] != keys[1]


def test_a_model_computes_in_its_own_precision(tmp_path):
    made = TrainedModel(tmp_path, "key", "cpu", precision="fast")
    with computing_with([made]):
        assert current_precision() == "fast"
        assert torch.is_autocast_enabled("cpu")
    assert current_precision() == "exact"


@pytest.mark.usefixtures("cards")
def test_a_worker_computes_on_its_own_card(monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for identity in ((), (1,), (2,), (3,)):
        monkeypatch.setattr(multiprocessing.current_process(), "_identity", identity)
        with devices.computing_on("cuda", "exact"):
            assert current_precision() == "exact"
    assert taken == [0, 1, 0, 1]
