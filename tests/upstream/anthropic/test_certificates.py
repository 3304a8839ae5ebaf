"""A vendor, or a relay before it, whose certificate a private authority has signed."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import ssl
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.upstream.anthropic.wire_server import WireServer, whole

SCRIPT = """
import asyncio, sys
from app.core.errors import UpstreamError
from app.upstream.factory import open_upstream
from app.upstream.options import UpstreamOptions
from tests.upstream.anthropic.calls import call

async def main(url, transport):
    upstream = open_upstream(UpstreamOptions("anthropic", "k", url, transport))
    try:
        print((await upstream.send(call())).message_id)
    except UpstreamError as error:
        print(type(error).__name__)
    await upstream.close()

asyncio.run(main(*sys.argv[1:]))
"""


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def told(url: str, transport: str, environ: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, url, transport),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    output, _ = await process.communicate()
    return output.decode().strip()


async def test_the_environments_certificates_are_trusted(tmp_path: Path, transport: str) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    scripted = WireServer()
    scripted.script(whole())
    async with await asyncio.start_server(scripted.serve, "127.0.0.1", 0, ssl=context) as served:
        url = f"https://127.0.0.1:{served.sockets[0].getsockname()[1]}"
        assert await told(url, transport, {"SSL_CERT_FILE": str(file)}) == "msg_1"
        assert await told(url, transport, {}) == "APIConnectionError"
