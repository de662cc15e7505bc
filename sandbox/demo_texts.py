ABOUT = """\
Hello! I am the **Postern sandbox**. I stand where Anthropic's API would be, on this machine only, and speak its \
language closely enough that the real `claude` CLI signs in, streams and renews its tokens here.

| You can try | and you will see |
|---|---|
| a question with the word *python* | an answer with code |
| a question with the word *compare* | a table |
| a system prompt of your own | its beginning, quoted below |
| an image | its type and size |
| `[[sandbox: {"words": 200}]]` | exactly two hundred words |

No model was asked, nothing left this machine, and nothing was charged."""

CODE = """\
Here is a small function that does one thing, with the test that shows it:

```python
from collections.abc import Iterable, Iterator


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    \"\"\"The items in lists of at most `size`, in their order.\"\"\"
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def test_the_last_batch_may_be_short() -> None:
    assert list(batched("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
```

Three things to notice:

1. It takes any iterable, so a file of a million lines needs no more memory than one batch.
2. The short last batch is the case that such functions forget, so it is the one that is tested.
3. A `size` of zero never fills a batch; refuse it at the edge if a user can choose it.

Would you like the same thing with `itertools`?"""

COMPARISON = """\
Both work; they differ in what they cost you later.

| | Polling | Streaming |
|---|---|---|
| First word on the screen | after the next poll | at once |
| Idle connections | none | one for each reader |
| A proxy that buffers | does no harm | spoils it |
| What to test | the interval | the moment when a reader leaves |

**My advice:** stream where a person waits, poll where a machine does. The last row decides more projects than the \
first: a stream whose reader has left must end, or it is paid for and read by nobody."""

POEM = """\
*A small gate at the back of the house*

The front door has a bell and a name,
the postern only a latch;
you lift it with the same old key,
and the same light comes to match.

No one announces you here, my friend,
no bell, no carpet, no fuss.
The words you carry in at dusk
come back by dawn to us."""

STEPS = """\
Gladly. In short: **measure, change one thing, measure again.**

1. **Write down what you expect.** A number, not a feeling: "the first word within half a second".
2. **Measure it as it is.** Ten times, and keep the median; one run tells you about the weather.
3. **Change one thing.** If you change two, you will learn about neither.
4. **Measure again, the same way.** If nothing moved, undo it: code that does nothing still has to be read.

```sh
for n in 1 2 3 4 5 6 7 8 9 10; do
    curl -s -o /dev/null -w '%{time_starttransfer}\\n' https://gateway.example/v1/models
done | sort -n | sed -n 5p
```

Most of the gain is usually in the first step, because it ends the argument about what *fast* means."""

DEFAULT = """\
That is a good question to try a gateway with. I cannot think about it, because I am the **Postern sandbox** and \
there is no model behind me, but I can show you everything that an answer is made of:

- *emphasis*, **strong words** and `inline code`,
- lists, with [a link](https://docs.anthropic.com/) in them,
- and umlauts, accents and signs that need more than one byte: ä é ł 漢 🚪.

```json
{"from": "the sandbox", "charged": 0, "true": true}
```

| Part | What it shows |
|---|---|
| deltas of one to three words | that nothing on the way buffers |
| a small jitter between them | how a model's pace feels |
| token counts that add up | that usage reaches you |

Ask for *python*, for a *comparison* or for a *poem* and I will bring something else."""
