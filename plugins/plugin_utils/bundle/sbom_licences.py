# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What packages say of their licences, in SPDX's names where they can be said in those."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.license import DisjunctiveLicense, License

# The first field of a copyright file that a program can read.
_READABLE = re.compile(r"^Format(-Specification)?:.*(copyright-format|dep5)", re.IGNORECASE)
_DEBIAN_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)
# Debian's short names that SPDX calls otherwise; GNU's are built alike.
_DEBIAN_NAMES = {"expat": "MIT", "artistic": "Artistic-1.0-Perl", "zlib/libpng": "Zlib", "psf": "PSF-2.0"}
_GNU = re.compile(r"(?P<name>[AL]?GPL|GFDL)-?(?P<version>\d(\.\d)?)(?P<later>\+?)", re.IGNORECASE)
# What Python's packages write in words, classifiers or free ones, where it names one licence.
_PYTHON_NAMES = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache License Version 2.0": "Apache-2.0",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "ISC License": "ISC",
    "PSFL": "PSF-2.0",
    "MIT License": "MIT",
    "ZPL 2.1": "ZPL-2.1",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_factory = LicenseFactory()


def licences(names: Iterable[str]) -> list[License]:
    """Give CycloneDX's licences for names or for one SPDX expression; what SPDX does not know stays a name."""
    given = sorted(set(names))
    if len(given) == 1:
        return [_factory.make_from_string(given[0])]
    # Beside others an expression is not allowed.
    return [_single(name) for name in given]


def _single(name: str) -> DisjunctiveLicense:
    made = _factory.make_from_string(name)
    return made if isinstance(made, DisjunctiveLicense) else _factory.make_with_name(name)


def of_debian(package: str, text: str) -> list[str]:
    """Name the licences in a package's copyright file; the file itself where no program can read it.

    >>> of_debian("tool", "Format: dep5\\nLicense: GPL-2+ or Expat")
    ['GPL-2.0-or-later', 'MIT']
    """
    if not _READABLE.match(text):
        return [f"as in /usr/share/doc/{package}/copyright"]
    found = (name for line in _DEBIAN_LICENCE.findall(text) for name in re.split(r",? (?:and|or|and/or) |, ?", line))
    return sorted({spdx_of_debian(name.strip()) for name in found if name.strip()})


def spdx_of_debian(name: str) -> str:
    """Give SPDX's name of a licence for Debian's.

    >>> spdx_of_debian("LGPL-2.1+"), spdx_of_debian("GPL-3"), spdx_of_debian("Expat"), spdx_of_debian("public-domain")
    ('LGPL-2.1-or-later', 'GPL-3.0-only', 'MIT', 'public-domain')
    """
    if gnu := _GNU.fullmatch(name):
        version = gnu["version"] if "." in gnu["version"] else f"{gnu['version']}.0"
        if gnu["name"].upper() == "GFDL":
            version = gnu["version"]
        return f"{gnu['name'].upper()}-{version}-{'or-later' if gnu['later'] else 'only'}"
    return _DEBIAN_NAMES.get(name.lower(), name)


def of_python(metadata: Message) -> list[str]:
    """Name the licences in a wheel's metadata: its expression, else its field of one line, else its classifiers."""
    for field in ("License-Expression", "License"):
        text = str(metadata.get(field, "")).strip()
        if text and "\n" not in text and len(text) < 80:
            return [_PYTHON_NAMES.get(text, text)]
    prefix = "License :: OSI Approved :: "
    named = [text.removeprefix(prefix) for text in metadata.get_all("Classifier", []) if text.startswith(prefix)]
    return [_PYTHON_NAMES.get(name, name) for name in named] or ["NOASSERTION"]
