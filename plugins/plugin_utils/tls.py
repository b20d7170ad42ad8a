# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose certificates are believed where people name a CA of their own."""

from __future__ import annotations

import ssl


def trusting(ca_file: str) -> ssl.SSLContext:
    """Believe certificates of the CAs in a PEM file; empty: of those that this machine trusts.

    A CA's certificate may lack what RFC 5280 (section 4.2.1) wants of one, as `openssl req -x509` makes it without a
    key usage. Podman, skopeo, curl and browsers take it, and so did Python before 3.13: who has such a CA is not to
    find it good on Debian 12 and bad on Debian 13.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
