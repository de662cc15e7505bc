from agents import City, cases
from langchain_anthropic import ChatAnthropic
from observing import WRONG_KEY, observe

model = ChatAnthropic(model="claude-sonnet-5-5", max_tokens=1000, max_retries=0)


def parsed_by_a_forced_tool() -> dict[str, object]:
    """Its older way to a structured answer: a tool that has to be called."""
    older = ChatAnthropic(model="claude-haiku-4-5", max_tokens=1000, max_retries=0)
    return older.with_structured_output(City, method="function_calling").invoke("Where is it how warm?").model_dump()


def wrong_key() -> None:
    ChatAnthropic(model="claude-sonnet-5-5", api_key=WRONG_KEY, max_retries=0).invoke("hi")


if __name__ == "__main__":
    observe(*cases("messages", model), parsed_by_a_forced_tool, wrong_key)
