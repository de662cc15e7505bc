from agents import cases
from langchain_openai import ChatOpenAI
from observing import WRONG_KEY, observe

chat = ChatOpenAI(model="sonnet", max_retries=0)
responses = ChatOpenAI(model="sonnet", max_retries=0, use_responses_api=True)


def wrong_key() -> None:
    ChatOpenAI(model="sonnet", api_key=WRONG_KEY, max_retries=0).invoke("hi")


if __name__ == "__main__":
    observe(*cases("chat", chat), *cases("responses", responses), wrong_key)
