import threading
import time

import pytest

from i2i_cli.web.desk import BusyError, Desk


def test_one_works_some_wait_and_the_rest_are_told() -> None:
    desk, done, working = Desk(2), list[int](), list[int]()

    def job(number: int) -> None:
        with desk.place():
            working.append(number)
            assert len(working) == 1
            time.sleep(0.05)
            working.remove(number)
            done.append(number)

    threads = [threading.Thread(target=job, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    with pytest.raises(BusyError, match="2 jobs are waiting"), desk.place():
        raise AssertionError("a fourth job was let in")
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2]


def test_as_many_work_as_are_told() -> None:
    desk, together = Desk(0, workers=2), threading.Barrier(2)

    def job() -> None:
        with desk.place():
            together.wait(5)  # each needs the other to be at work

    threads = [threading.Thread(target=job) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken


def test_a_job_that_fails_leaves_its_place() -> None:
    desk = Desk(0)
    for _ in range(3):
        with pytest.raises(ValueError, match="oops"), desk.place():
            raise ValueError("oops")
    with desk.place():
        pass


def test_a_closed_desk_finishes_its_job_and_begins_none() -> None:
    desk, told = Desk(2), list[BusyError]()

    def wait() -> None:
        try:
            with desk.place():
                raise AssertionError("a job was begun")
        except BusyError as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    with desk.place():
        thread.start()
        time.sleep(0.02)
        desk.close()
    thread.join()
    assert "ends" in told[0].message
