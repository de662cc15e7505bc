import threading
from collections.abc import Callable

from app.services.off_loop import OffLoop
from app.services.passwords import PasswordCheck


class Stored:
    def __init__(self) -> None:
        self.password = "the right one"
        self.asked: list[str] = []
        self.now = 0.0

    def verify(self, password: str) -> bool:
        self.asked.append(password)
        return password == self.password

    def check(self) -> PasswordCheck:
        return PasswordCheck(self.verify, lambda: self.password, OffLoop(), clock=lambda: self.now)


def test_what_was_right_is_remembered_for_a_while():
    stored = Stored()
    check = stored.check()
    assert [check("the right one") for _ in range(3)] == [True] * 3
    assert stored.asked == ["the right one"]
    stored.now += 301
    assert check("the right one")
    assert len(stored.asked) == 2


def test_what_was_wrong_is_not():
    stored = Stored()
    check = stored.check()
    assert [check("another") for _ in range(3)] == [False] * 3
    assert len(stored.asked) == 3
    check("the right one")
    assert not check("the right one ")
    assert not check("")


def test_a_change_of_the_password_forgets_it_at_once():
    stored = Stored()
    check = stored.check()
    assert check("the right one")
    stored.password = "a new one"
    assert not check("the right one")
    assert check("a new one")


def test_a_change_while_it_is_checked_is_not_missed():
    stored = Stored()

    def verify(password: str) -> bool:
        right = stored.verify(password)
        stored.password = "a new one"
        return right

    check = PasswordCheck(verify, lambda: stored.password, OffLoop())
    assert check("the right one")
    assert not check("the right one")


def test_two_are_hashed_at_a_time():
    stored, most, running = Stored(), [0], [0]
    lock, gate = threading.Lock(), threading.Event()

    def off_loop(verify: Callable[[str], bool], password: str) -> bool:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(0.2)
        with lock:
            running[0] -= 1
        return verify(password)

    check = PasswordCheck(stored.verify, lambda: stored.password, off_loop)
    threads = [threading.Thread(target=check, args=(f"guess {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == [2]
    assert len(stored.asked) == 6


def test_a_password_of_any_letters_is_checked():
    stored = Stored()
    stored.password = "ä\ud800🐎"
    assert stored.check()("ä\ud800🐎")


def test_what_another_call_found_right_meanwhile_is_not_hashed_again():
    stored, gate = Stored(), threading.Event()

    def verify(password: str) -> bool:
        gate.wait(5)
        return stored.verify(password)

    check = PasswordCheck(verify, lambda: stored.password, OffLoop())
    threads = [threading.Thread(target=check, args=("the right one",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(stored.asked) <= 2
