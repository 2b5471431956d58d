"""Batches are read in order, ahead of a graphics card that computes, and never where nothing is gained by it."""

import threading

import pytest
import torch

from stratacam.learning import loading


def test_on_a_cpu_each_part_is_read_when_it_is_needed():
    read = []
    parts = loading.read_ahead(read.append, range(3), "cpu")
    next(parts)
    assert read == [0]


def test_for_a_card_two_parts_are_read_ahead_in_a_thread():
    read, ready = [], threading.Event()

    def one(part):
        read.append((part, threading.current_thread() is threading.main_thread()))
        if part == 2:
            ready.set()
        return 10 * part

    parts = loading.read_ahead(one, range(5), "cuda")
    assert next(parts) == 0
    assert ready.wait(10)  # though only the first was asked for
    assert list(parts) == [10, 20, 30, 40]
    assert read == [(part, False) for part in range(5)]


def test_a_fault_in_the_thread_is_raised_where_the_part_is_needed():
    def one(part):
        if part == 1:
            raise OSError("gone")
        return part

    parts = loading.read_ahead(one, range(4), "cuda:0")
    assert next(parts) == 0
    with pytest.raises(OSError, match="gone"):
        next(parts)


def test_what_is_left_early_reads_no_further():
    read = []
    parts = loading.read_ahead(read.append, range(100), "cuda")
    next(parts)
    parts.close()
    assert len(read) <= 2 + loading.AHEAD


def test_pictures_are_laid_with_their_channels_last_unless_it_is_said_otherwise():
    given = torch.rand(2, 3, 4, 5)
    laid = loading.to_device(given, "cpu")
    assert laid.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(laid, given)
    assert loading.to_device(given, "cpu", channels_last=False) is given
