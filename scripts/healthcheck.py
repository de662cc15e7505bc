"""Exit status 0 when the gateway in this container lives: the image's health check."""

import http.client
import os
import sys


def main() -> int:
    port = int(os.environ.get("GATEWAY_PORT") or 4000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)  # not by way of a proxy
    try:
        connection.request("GET", "/health/live")
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
