"""A small real kit, and where it is taken to."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import Manifest, pins, version_of
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_use import Source, Taken, Use
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_writer import members, write

PROJECT = Path(__file__).parents[1]
KEY = "0123456789abcdef"


@dataclasses.dataclass
class SmallKit:
    """A kit of a few megabytes; what makes it one of another version or machine can be changed."""

    directory: Path
    tops: dict[str, Path]
    manifest: Manifest

    @classmethod
    def make(cls, directory: Path) -> SmallKit:
        """Make it in an empty directory."""
        noise = random.Random(0)
        bundle = directory / "source/bundle"
        for name in ("bin", "images/blobs/sha256"):
            (bundle / name).mkdir(parents=True)
        (bundle / "bin/kubernetes").write_bytes(noise.randbytes(1 << 21))
        (bundle / "bin/kubernetes").chmod(0o755)
        (bundle / "bin/kubectl").symlink_to("kubernetes")
        with tarfile.open(bundle / "images/blobs/sha256/layer", "w") as layer:
            layer.add(bundle / "bin/kubernetes", "usr/local/bin/kubernetes")
            layer.add(__file__, "usr/share/text")
        with tarfile.open(bundle / "images/blobs/sha256/other", "w") as layer:
            layer.add(bundle / "bin/kubectl", "usr/bin/kubectl")
            layer.add(bundle / "bin/kubernetes", "usr/bin/kubernetes")
        (bundle / "lock.json").write_text(json.dumps({"key": KEY}))
        tops = {"bundle": bundle}
        for name, file in {"wheels": "a-cp311-x.whl", "debian": "bookworm/a.deb", "collection": "c.tar.gz"}.items():
            tops[name] = directory / "source" / name
            (tops[name] / file).parent.mkdir(parents=True)
            (tops[name] / file).write_bytes(noise.randbytes(1000))
        manifest = Manifest(
            version=version_of(PROJECT),
            architecture=os.uname().machine,
            pins=pins(PROJECT),
            bundle=KEY,
            suites={"bookworm": "3.11"},
            members=tuple(members(tops)),
        )
        made = cls(directory, tops, manifest)
        made.write()
        return made

    @property
    def file(self) -> Path:
        return self.directory / "small.kit"

    def write(self, **changes: object) -> Path:
        """Write the kit, with a manifest that differs in this."""
        write(self.file, dataclasses.replace(self.manifest, **changes), self.tops)  # type: ignore[arg-type]
        return self.file

    def sign(self, name: str = "good") -> str:
        """Sign it with a new key of this name. Returns the public key's file."""
        public, secret = self.directory / f"{name}.pub", self.directory / f"{name}.key"
        for options in (f"-G -W -f -p {public}", f"-S -m {self.file}"):
            command = ["minisign", *options.split(), "-s", str(secret)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return str(public)

    def take(self, kit: Path | str, key: str = "", login: str = "", ca: str = "", check_mode: bool = False) -> Taken:
        return self.use().take(Source(str(kit), key, login, ca), check_mode)

    def use(self, verify: Callable[[Path], object] = lambda path: None) -> Use:
        return Use(PROJECT, self.directory / "cache", lambda text: None, verify, self.directory / "extras")

    def state(self) -> list[str]:
        """Everything that was written, but the directories, the lock and the cache's tag themselves."""
        there = [path for name in ("cache", "extras") for path in (self.directory / name).rglob("*")]
        own = ("lock", "CACHEDIR.TAG")
        return sorted(str(path.relative_to(self.directory)) for path in there if path.name not in own)
