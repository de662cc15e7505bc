import ssl
from pathlib import Path

import trustme

MAX_HOSTS = 200


class Authority:
    """A throw-away CA that vouches for whatever host is asked for."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA(organization_name="Postern sandbox")
        self.path = directory / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.path))
        self.contexts: dict[str, ssl.SSLContext] = {}

    def server_context(self) -> ssl.SSLContext:
        context = self.context_for("localhost")
        context.sni_callback = self.choose
        return context

    def choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = self.context_for(name)

    def context_for(self, host: str) -> ssl.SSLContext:
        if host not in self.contexts:
            if len(self.contexts) >= MAX_HOSTS:
                self.contexts.pop(next(iter(self.contexts)))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.authority.issue_cert(host).configure_cert(context)
            self.contexts[host] = context
        return self.contexts[host]
