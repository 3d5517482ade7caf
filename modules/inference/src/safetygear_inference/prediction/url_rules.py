"""Which addresses a picture may be fetched from. Pure.

A server that fetches what it is told to reaches what its caller can't: the cloud's metadata, the site's network,
itself. So the decision is over numbers, after the one look-up: what is connected to is what was judged.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from yarl import URL

from safetygear.errors import UserError
from safetygear_inference.prediction.answers import RequestError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST: Final = 2048
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
FREE_PORTS: Final = 1024
"""Below it only the schemes' own ports: what else speaks there may understand a request though it is no web server."""

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_SITE: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""A site's own networks. Source: RFC 1918, RFC 4193."""
_NOT_PUBLIC_V4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
            # Azure's own, at the same public address in every virtual network: its wire server, DNS and health probes.
            "168.63.129.16/32",
        ),
    )
)
"""Source: IANA IPv4 Special-Purpose Address Registry; 224.0.0.0/3 is multicast and what is reserved above it."""
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All that IANA gives out as global unicast; loopback, local, mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96)
addresses lie outside."""
_NOT_PUBLIC_V6: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4: any IPv4 address in it
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
"""Source: IANA IPv6 Special-Purpose Address Registry."""


@dataclass(frozen=True)
class Host:
    """A host that may be fetched from. `port` None: its scheme's own."""

    name: str
    port: int | None = None


@dataclass(frozen=True)
class UrlPolicy:
    """From where pictures may be fetched."""

    hosts: tuple[Host, ...] = ()
    """Only from those, which may also lie in the site's own networks; none: from any public address."""


def read_policy(variable: str, text: str) -> UrlPolicy | None:
    """None for `off`. Raises UserError for what is neither that, nor `public`, nor hosts."""
    if text == "off":
        return None
    if text == "public":
        return UrlPolicy()
    hosts = [_host(part.strip()) for part in text.split(",") if part.strip()]
    if not hosts or None in hosts:
        raise UserError(
            f"{variable} is {text!r}:",
            hint="use off, public, or hosts separated by commas, such as nvr.site.example,10.0.0.5:8080",
        )
    return UrlPolicy(tuple(host for host in hosts if host is not None))


def _host(text: str) -> Host | None:
    try:
        url = URL(f"http://{text}/") if _HOST.fullmatch(text) else URL()
        return None if url.host is None else Host(url.host.rstrip("."), url.explicit_port)
    except ValueError:
        return None


def checked_url(text: str, policy: UrlPolicy) -> URL:
    """The address as it may be looked up. Raises RequestError."""
    try:
        # As it is written, where it can be: some signatures are over the exact characters.
        url = URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)
        host, port = url.host, url.port
    except ValueError:
        raise _refused("it is no URL") from None
    if len(text) > LONGEST:
        raise _refused(f"it is longer than {LONGEST} characters")
    if url.scheme not in DEFAULT_PORTS or not host or port is None:
        raise _refused("it must begin with http:// or https:// and a host")
    if url.user is not None or url.password is not None:
        raise _refused("it must not carry a user or password")
    if ":" in host or host.replace(".", "").isdigit():
        _check_number(host)
    if policy.hosts:
        own = port == DEFAULT_PORTS[url.scheme]
        name = host.rstrip(".").lower()
        if not any(one.name == name and (port == one.port or (one.port is None and own)) for one in policy.hosts):
            raise _refused("this server fetches from other hosts only")
    elif port not in DEFAULT_PORTS.values() and port < FREE_PORTS:
        raise _refused(f"port {port} is not fetched from")
    return url


def _check_number(host: str) -> None:
    """A host that is a number has to be an address as it is written: 127.1 and 2130706433 are loopback's too."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise _refused("its host is no address") from None


def check_addresses(addresses: Sequence[Address], policy: UrlPolicy) -> None:
    """Raises RequestError where one of a host's addresses may not be connected to.

    All of them have to be good: a name that is public at times is no public name.
    """
    for address in addresses:
        if not is_public(address) and not (policy.hosts and any(address in network for network in _SITE)):
            raise _refused("its host is at no public address")


def is_public(address: Address) -> bool:
    """Whether everybody in the internet would reach the same at that address."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return (
        address in _PUBLIC_V6 and address.scope_id is None and not any(address in network for network in _NOT_PUBLIC_V6)
    )


def _refused(why: str) -> RequestError:
    return RequestError(400, "BadRequestImageUrl", f"the picture's address is refused: {why}")
