"""Certificate and key of a server, tried before anything else is loaded."""

import os
import ssl
from pathlib import Path

from fer_data.checks import check_path


def check_certificate(
    certificate: str | os.PathLike[str] | None, key: str | os.PathLike[str] | None
) -> None:
    """Check that a server with these files can be talked to over https.

    Args:
        certificate: File in PEM format, or None for a server over http.
        key: Its private key in PEM format, or None where it lies in the same file.

    Raises:
        FileNotFoundError: If a file is not there.
        OSError: If a file cannot be read.
        ValueError: If there is a key alone, the key is encrypted, the two do not fit, or no browser
            could agree with them on a way to encrypt.
    """
    if certificate is None:
        if key is not None:
            raise ValueError(
                "`ssl_keyfile` needs `ssl_certfile`, the certificate that it belongs to. "
                f"Received: ssl_keyfile={str(key)!r} alone"
            )
        return
    for name, path in (("ssl_certfile", certificate), ("ssl_keyfile", key)):
        if path is None:
            continue
        check_path(name, path)
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"`{name}` must be a file in PEM format. Received: {name}={str(path)!r}, which is "
                "not there"
            )
    received = f"ssl_certfile={str(certificate)!r}, ssl_keyfile={key and str(key)!r}"

    def refuse():
        raise ValueError(
            f"`ssl_keyfile` must not be encrypted. Received: {str(key or certificate)!r}; "
            "`openssl pkey -in OLD -out NEW` writes it without its password"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        raise ValueError(
            "`ssl_certfile` and `ssl_keyfile` must be a certificate and its private key in PEM "
            f"format. Received: {received} ({error.reason or error})"
        ) from error
    except OSError as error:
        raise ValueError(
            "`ssl_certfile` and `ssl_keyfile` must be files that this user may read. "
            f"Received: {received} ({error.strerror})"
        ) from error
    try:
        _shake_hands(context)
    except ssl.SSLError as error:
        raise ValueError(
            "`ssl_certfile` and `ssl_keyfile` must be of a kind that browsers can use, such as RSA "
            f"of 2048 bits or ECDSA. Received: {received} ({error.reason or error})"
        ) from error


def _shake_hands(context):
    """Let a client that trusts everybody shake hands with a server, in memory."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        trusting.wrap_bio(to_client, to_server, server_hostname="localhost"),
        context.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
