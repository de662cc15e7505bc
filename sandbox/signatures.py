import base64
import hashlib


def signature_of(thinking: str) -> str:
    digest = hashlib.sha512(b"postern sandbox" + thinking.encode()).digest()
    return base64.b64encode(digest).decode()


def is_ours(signature: str, thinking: str) -> bool:
    return signature == signature_of(thinking)
