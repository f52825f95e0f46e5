from convstore.directory.recent import Recent
from convstore.directory.throttle import ACCOUNTS, FAILURES, SECONDS, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_account_is_locked_after_so_many_wrong_passwords_and_not_before() -> None:
    throttle = Throttle()
    for _ in range(FAILURES - 1):
        throttle.failed("anna", "hash")
    assert not throttle.locked("anna", "hash")
    throttle.failed("Anna", "hash")
    assert throttle.locked("ANNA", "hash")
    assert not throttle.locked("bob", "hash")


def test_a_right_password_wipes_the_slate() -> None:
    throttle = Throttle()
    for _ in range(FAILURES - 1):
        throttle.failed("anna", "hash")
    throttle.succeeded("anna")
    throttle.failed("anna", "hash")
    assert not throttle.locked("anna", "hash")


def test_time_opens_the_lock() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock)
    for _ in range(FAILURES):
        throttle.failed("anna", "hash")
    clock.now = SECONDS - 1
    assert throttle.locked("anna", "hash")
    clock.now = SECONDS
    assert not throttle.locked("anna", "hash")


def test_a_new_password_opens_the_lock() -> None:
    throttle = Throttle()
    for _ in range(FAILURES):
        throttle.failed("anna", "old")
    assert not throttle.locked("anna", "new")


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    throttle = Throttle()
    for number in range(ACCOUNTS + 50):
        throttle.failed(f"name{number}", None)
    assert ACCOUNTS == len(throttle._failed)


def test_what_is_used_stays_when_the_memory_is_full() -> None:
    recent: Recent[str, int] = Recent(size=2, seconds=10)
    recent.put("a", 1)
    recent.put("b", 2)
    assert 1 == recent.get("a")
    recent.put("c", 3)
    assert (1, None, 3) == (recent.get("a"), recent.get("b"), recent.get("c"))


def test_what_is_old_is_forgotten() -> None:
    clock = Clock()
    recent: Recent[str, int] = Recent(size=2, seconds=10, clock=clock)
    recent.put("a", 1)
    clock.now = 10
    assert recent.get("a") is None
    assert 0 == len(recent)
