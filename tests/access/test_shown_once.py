from app.access.shown_once import ShownOnce


def test_a_secret_is_given_once_and_to_its_owner_only():  # threat 42
    once = ShownOnce[str]()
    ticket = once.put("sk-secret", "mine")
    assert once.take(ticket, "another's") is None
    assert once.take(ticket, "mine") == "sk-secret"
    assert once.take(ticket, "mine") is None


def test_a_secret_that_nobody_asks_for_is_forgotten():  # threat 42
    now = [0.0]
    once = ShownOnce[str](clock=lambda: now[0])
    ticket = once.put("sk-secret", "mine")
    now[0] = 121
    assert once.take(ticket, "mine") is None


def test_they_do_not_heap_up():
    once = ShownOnce[int]()
    tickets = [once.put(number, "mine") for number in range(150)]
    assert once.take(tickets[0], "mine") is None
    assert once.take(tickets[-1], "mine") == 149
