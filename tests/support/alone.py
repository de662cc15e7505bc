from app.claude.lending import Place
from app.claude.worker import Worker


class Alone:
    """What the pool is to a completion, with one worker that is lent again and again, as it is."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.kept: bytes | None = None  # the conversation that waits in it

    def queue(self, model: str) -> Place[Worker]:
        self.worker.await_settled()
        place = Place[Worker](model, 0)
        place.worker = self.worker
        return place

    def wait(self, place: Place[Worker], seconds: float) -> Worker | None:
        return place.worker

    def leave(self, place: Place[Worker]) -> None:
        place.worker = None

    def keep(self, place: Place[Worker], conversation: bytes) -> None:
        self.kept, place.worker = conversation, None

    def resume(self, conversation: bytes) -> Place[Worker] | None:
        return self.queue("") if conversation == self.kept else None
