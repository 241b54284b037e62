"""Which addresses are of this machine."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Does a host mean this machine, whoever answers for names? 0.0.0.0 does, to whom connects."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def leads_here(url: object) -> bool:
    """Is it an address of this machine, whoever answers for names?"""
    try:
        return is_loopback(urlsplit(str(url or "")).hostname or "")
    except ValueError:
        return False
