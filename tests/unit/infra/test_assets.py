"""The table of assets, and taking files out of archives; nothing is downloaded here."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from infra import assets
from infra.packages import FetchFailed, run, take_out


def test_the_table_is_whole() -> None:
    packages, models = assets.read_table()
    names = [file.name for package in packages for file in package.files]
    assert len(names) == len(set(names))
    assert all(len(file.sha256) == 64 for package in packages for file in package.files)
    assert all("==" in package.requirement or package.client == "npm" for package in packages)
    assert {model["source"] for model in models} <= set(names)
    wanted = assets.placed(Path("x"))
    made = {model["name"] for model in models} | {"reel.mp4"}
    for path in (wanted.video, wanted.model, wanted.face_model, wanted.readings_csv, *wanted.images, *wanted.clips):
        assert path.relative_to("x").as_posix() in {*names, *made}


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    data = tmp_path / "a.txt"
    data.write_bytes(b"hello")
    file = assets.Wanted("in/a.txt", "a.txt", assets.digest(data))
    package = assets.Package("pip", "thing==1", 1, None, (file,))
    assert not package.missing(tmp_path)
    data.write_bytes(b"changed")
    assert package.missing(tmp_path)


def test_it_says_what_it_will_download(tmp_path: Path) -> None:
    said: list[str] = []
    packages, _ = assets.read_table()
    assets._announce(list(packages), tmp_path, said.append)
    assert "MB to download" in said[0]
    assert len(said) >= len(packages) + 1
    said.clear()
    assets._announce([], tmp_path, said.append)
    assert said == []


@pytest.mark.parametrize("name", ["thing.whl", "thing.tar.gz"])
def test_single_files_come_out(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    if name.endswith("whl"):
        with zipfile.ZipFile(archive, "w") as wheel:
            wheel.writestr("in/a.txt", "hello")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo("in/a.txt")
            entry.size = 5
            tar.addfile(entry, io.BytesIO(b"hello"))
    take_out(archive, {"in/a.txt": tmp_path / "deep" / "a.txt"})
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"hello"
    with pytest.raises(FetchFailed, match=r"in/b\.txt"):
        take_out(archive, {"in/b.txt": tmp_path / "b.txt"})


def test_a_failing_client_tells_why(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="no such package"):
        run(["sh", "-c", "echo no such package; exit 3"], tmp_path, print)
