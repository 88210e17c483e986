"""Processes of one launch share work: here threads with a store of torch.distributed, which see the same."""

import threading
import time

import pytest
from torch import distributed

from alphanet_plugin.errors import RanksError, SearchError
from alphanet_plugin.runs.ranks import Ranks

ABOUT = {"weights": "abc", "images": "def"}
pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="torch without torch.distributed")


class Together:
    """Processes as threads: the first is the test's own."""

    def __init__(self, size, patience=60.0):
        self.store = distributed.HashStore()
        self.size, self.patience = size, patience
        self.first = self.rank(0)
        self.threads, self.ended = [], {}

    def rank(self, number):
        return Ranks(self.store, number, self.size, number, self.patience)

    def helps(self, works, number=1, about=ABOUT):
        thread = threading.Thread(target=self._serve, args=(works, number, about))
        thread.start()
        self.threads.append(thread)

    def _serve(self, works, number, about):
        ranks = self.rank(number)
        try:
            ranks.serve(works, about)
        except BaseException as error:
            try:
                ranks.close(error)
                self.ended[number] = error
            except SystemExit as quiet:
                self.ended[number] = quiet
        else:
            ranks.close()
            self.ended[number] = None

    def close(self, error=None):
        self.first.close(error)
        for thread in self.threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in self.threads)


def slow_square(who, done):
    def square(number):
        done.append((who, number))
        time.sleep(0.03)
        return number**2

    return square


def test_one_alone_is_map():
    ranks, done = Ranks(), []
    assert list(ranks.spread(slow_square(0, done), [1, 2])) == [1, 4]
    assert done == [(0, 1), (0, 2)]
    assert ranks.is_first
    assert ranks.device("cuda") == "cuda"


def test_all_take_part_and_results_come_in_order_for_each_of_several_works():
    together, done = Together(3), []
    own = [slow_square(0, done), lambda item: f"{item}!"]
    for number in (1, 2):
        together.helps([slow_square(number, done), lambda item: f"{item}!"], number)
    together.first.offer(own, ABOUT)
    together.first.wait_for_others()
    for start in (0, 100):
        items = list(range(start, start + 12))
        assert list(together.first.spread(own[0], items)) == [item**2 for item in items]
        assert list(together.first.spread(own[1], ["a", "b"])) == ["a!", "b!"]
        assert list(together.first.spread(own[0], [])) == []
    together.close()
    assert {who for who, _ in done} == {0, 1, 2}
    assert sorted(number for _, number in done) == [*range(12), *range(100, 112)], "each once"
    assert together.ended == {1: None, 2: None}


def test_an_error_of_the_work_comes_at_its_item_after_the_results_before_it():
    def work(number):
        time.sleep(0.02)
        if number == 3:
            raise SearchError("three")
        return number

    together = Together(2)
    together.helps([work])
    together.first.offer([work], ABOUT)
    found = []
    with pytest.raises(SearchError, match="three") as caught:
        found.extend(together.first.spread(work, range(10)))
    assert found == [0, 1, 2]
    together.close(caught.value)
    assert together.ended == {1: None}, "the first says it"


def test_a_process_that_sees_another_run_is_named_by_the_first():
    together, done = Together(2), []
    work = slow_square(0, done)
    together.helps([work], about={**ABOUT, "weights": "other"})
    together.first.offer([work], ABOUT)
    with pytest.raises(RanksError, match="process 1 of 2 sees another run than process 0: weights differ") as caught:
        list(together.first.spread(work, range(1000)))
    together.close(caught.value)
    assert isinstance(together.ended[1], SystemExit), "and it says nothing itself"


def test_a_process_that_fell_silent_ends_the_work():
    together, works = Together(2, patience=0.2), [lambda item: item]
    dies = together.rank(1)
    together.first.offer(works, ABOUT)
    while not together.store.add("alive/1", 0):
        time.sleep(0.01)
    dies._signs.stopped.set()
    together.store.add("taken/0", 1)  # it has taken the first item, and died
    with pytest.raises(RanksError, match="process 1 of 2 has died; what was done is kept") as caught:
        next(together.first.spread(works[0], range(3)))
    together.close(caught.value)


def test_the_others_end_when_the_first_fell_silent():
    together = Together(2, patience=0.2)
    together.helps([lambda item: item])
    while not together.store.add("alive/0", 0):
        time.sleep(0.01)
    together.first._signs.stopped.set()
    together.threads[0].join(timeout=30)
    assert "process 0 of 2 has died" in str(together.ended[1])
