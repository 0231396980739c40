"""Pictures of results: plain result dictionaries and media in, PNG files out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import matplotlib as mpl
from av.video.frame import VideoFrame
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

mpl.use("Agg")

Result = Mapping[str, Any]
"""The video result of the Noxovision contract, section 10.2."""

PALETTE = ("#e4572e", "#17bebb", "#ffc914", "#76b041", "#8e6cd1", "#f08cae", "#4c86d8", "#b5793c")
INK = "#22303c"
PAPER = "#f6f7f9"
_TILE = 400
"""Width of a frame on the contact sheet, in pixels."""
_MARGIN = 14
_CAPTION = 50


@dataclass(frozen=True, slots=True)
class Series:
    """One measured quantity; `times` are numbers or datetimes that matplotlib can place."""

    name: str
    unit: str
    times: Sequence[Any]
    values: Sequence[float | None]


def colour(label: str) -> str:
    """Always the same colour for a label."""
    return PALETTE[sum(label.encode()) % len(PALETTE)] if label != "person" else PALETTE[0]


# The contact sheet


def contact_sheet(media: Path, result: Result, target: Path, columns: int = 4, rows: int = 4) -> Path:
    """Frames through the whole video with the boxes and the text found in them."""
    frames = frames_at(media, moments(result, columns * rows))
    tiles = [tile(picture, at, result) for at, picture in frames]
    width, height = tiles[0].size
    lines = -(-len(tiles) // columns)
    sheet = Image.new(
        "RGB", (columns * (width + _MARGIN) + _MARGIN, lines * (height + _MARGIN) + _MARGIN + _CAPTION), PAPER
    )
    ImageDraw.Draw(sheet).text(
        (_MARGIN, _MARGIN + _CAPTION // 2 - 4), headline(media, result), fill=INK, anchor="lm", font=_font(24)
    )
    for number, one in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(one, (_MARGIN + column * (width + _MARGIN), _CAPTION + _MARGIN + row * (height + _MARGIN)))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)
    return target


def headline(media: Path, result: Result) -> str:
    scenes, texts = len(result["raw_scenes"]), len(result["ocr_results"])
    people = [one for one in result["analysis"].get("objects", []) if one["ref"].startswith("p")]
    seconds = result["analysis"]["duration_seconds"]
    return f"{media.name}: {seconds:.1f} s, {scenes} scenes, {len(people)} persons, {texts} texts"


def moments(result: Result, count: int) -> list[float]:
    """Times to show: the middle of each scene while there is room, and an even spread over the rest."""
    scenes = [(one["start_seconds"], one["end_seconds"]) for one in result["raw_scenes"]]
    parts = [1] * len(scenes)
    while sum(parts) < count:
        longest = max(range(len(scenes)), key=lambda i: (scenes[i][1] - scenes[i][0]) / parts[i])
        parts[longest] += 1
    times = [
        start + (end - start) * (part + 0.5) / many
        for (start, end), many in zip(scenes, parts, strict=True)
        for part in range(many)
    ]
    step = max(1.0, len(times) / count)
    return [times[int(number * step)] for number in range(min(count, len(times)))]


def frames_at(media: Path, times: Sequence[float]) -> list[tuple[float, Image.Image]]:
    """The frame shown at each time (seconds, ascending), scaled to a tile's width."""
    found: list[tuple[float, Image.Image]] = []
    waiting = list(times)
    held: VideoFrame | None = None
    with av.open(str(media)) as container:
        for frame in container.decode(video=0):
            while held is not None and waiting and (frame.time or 0.0) > waiting[0]:
                found.append((waiting.pop(0), _picture(held)))
            held = frame
            if not waiting:
                break
    while held is not None and waiting:
        found.append((waiting.pop(0), _picture(held)))
    return found


def _picture(frame: VideoFrame) -> Image.Image:
    height = round(frame.height * _TILE / frame.width)
    return Image.fromarray(frame.reformat(_TILE, height, format="rgb24", threads=1).to_ndarray())


def tile(picture: Image.Image, at: float, result: Result) -> Image.Image:
    """The frame with boxes, and below it the time and the text that stands in it."""
    made = Image.new("RGB", (picture.width, picture.height + _CAPTION), "white")
    made.paste(picture, (0, 0))
    draw = ImageDraw.Draw(made)
    for one in result["analysis"].get("objects", []):
        box = box_at(one["boxes"], at)
        if box is not None:
            _draw_box(draw, box, picture.size, one)
    draw.text((10, picture.height + 15), f"{at:.2f} s", fill=INK, anchor="lm", font=_font(17))
    shown = [text["full_text"].replace("\n", " / ") for text in result["ocr_results"] if _holds(text, at)]
    words = _short("; ".join(shown) or "no text", 44)
    draw.text((10, picture.height + 36), words, fill="#6a7783", anchor="lm", font=_font(15))
    return made


def _holds(entry: Mapping[str, Any], at: float) -> bool:
    segment = entry["time_segment"]
    return bool(segment["start_seconds"] <= at < segment["end_seconds"])


def box_at(boxes: Sequence[Sequence[float]], at: float, within: float = 0.5) -> Sequence[float] | None:
    """The box [seconds, x, y, width, height] nearest in time, None when the nearest is too far off."""
    nearest = min(boxes, key=lambda box: abs(box[0] - at))
    return nearest if abs(nearest[0] - at) <= within else None


def _draw_box(draw: ImageDraw.ImageDraw, box: Sequence[float], size: tuple[int, int], one: Mapping[str, Any]) -> None:
    _, x, y, width, height = box
    left, top = x * size[0], y * size[1]
    right, bottom = (x + width) * size[0], (y + height) * size[1]
    shade = colour(one["label"])
    draw.rectangle((left, top, right, bottom), outline=shade, width=2)
    name = one["ref"] if one["label"] == "person" else one["label"]
    font = _font(13)
    length = draw.textlength(name, font=font) + 6
    above, beside = max(0.0, top - 16), min(left, size[0] - length)
    draw.rectangle((beside, above, beside + length, above + 16), fill=shade)
    draw.text((beside + 3, above + 8), name, fill="white", anchor="lm", font=font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# The timeline


def timeline(result: Result, target: Path, title: str = "Scenes, activity, persons, text, sections") -> Path:
    """Everything the result says over time, on one page."""
    people = [one for one in result["analysis"].get("objects", []) if one["ref"].startswith("p")]
    heights = [2.0, 0.5, max(1.0, 0.13 * len(people)), 0.35 + 0.25 * len(result["ocr_results"])]
    heights.append(0.3 + 0.25 * len(result["sections"]))
    figure = Figure(figsize=(14, 1.5 + sum(heights)), facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(5, 1, sharex=True, height_ratios=heights))
    _draw_activity(axes[0], result)
    _draw_scenes(axes[1], result)
    _draw_people(axes[2], people)
    _draw_texts(axes[3], result)
    _draw_sections(axes[4], result)
    axes[0].set_title(title, loc="left", color=INK, fontsize=15, fontweight="bold")
    axes[4].set_xlabel("seconds")
    axes[4].set_xlim(0, result["analysis"]["duration_seconds"])
    for axis in axes:
        _plain_axes(axis)
        _draw_cuts(axis, result)
    return _saved(figure, target)


def _draw_activity(axis: Axes, result: Result) -> None:
    values = result["frame_activity_diffs"]
    times = [(number + 1) / result["analysis"]["sample_fps"] for number in range(len(values))]
    axis.fill_between(times, values, color=PALETTE[6], alpha=0.35, linewidth=0)
    axis.plot(times, values, color=PALETTE[6], linewidth=1.4)
    axis.set_ylim(0, max([*values, 0.01]) * 1.1)
    axis.set_ylabel("activity\n(mean luma change)")


def _draw_scenes(axis: Axes, result: Result) -> None:
    duration = result["analysis"]["duration_seconds"]
    for number, scene in enumerate(result["raw_scenes"]):
        start, end = scene["start_seconds"], scene["end_seconds"]
        axis.barh(0, end - start, left=start, height=0.8, color=PALETTE[number % len(PALETTE)], alpha=0.75)
        if end - start > 0.02 * duration:
            axis.text((start + end) / 2, 0, str(number + 1), ha="center", va="center", color="white", fontsize=11)
    axis.set_yticks([])
    axis.set_ylabel("scenes")


def _draw_people(axis: Axes, people: Sequence[Mapping[str, Any]]) -> None:
    for row, one in enumerate(people):
        start, end = one["boxes"][0][0], one["boxes"][-1][0]
        axis.barh(row, max(end - start, 0.1), left=start, height=0.7, color=PALETTE[0], alpha=0.35 + 0.6 * one["score"])
    axis.set_yticks(range(len(people)), [one["ref"] for one in people], fontsize=7)
    axis.invert_yaxis()
    axis.set_ylabel("persons")


def _draw_texts(axis: Axes, result: Result) -> None:
    for row, text in enumerate(result["ocr_results"]):
        start, end = text["time_segment"]["start_seconds"], text["time_segment"]["end_seconds"]
        axis.barh(row, end - start, left=start, height=0.75, color=PALETTE[2], alpha=0.6)
        right = start > 0.6 * result["analysis"]["duration_seconds"]
        words = _short(text["full_text"].replace("\n", " / "), 60)
        axis.text(end if right else start, row, f" {words} ", va="center", ha="right" if right else "left", fontsize=9)
    if not result["ocr_results"]:
        axis.text(0.01, 0.5, "no text found", transform=axis.transAxes, va="center", fontsize=9, color="#6a7783")
    axis.set_yticks([])
    axis.set_ylim(max(len(result["ocr_results"]), 1) - 0.5, -0.5)
    axis.set_ylabel("text")


def _draw_sections(axis: Axes, result: Result) -> None:
    for row, section in enumerate(result["sections"]):
        shade = colour(section["section_tag"])
        for segment in section["time_segments"]:
            start, end = segment["start_seconds"], segment["end_seconds"]
            axis.barh(row, end - start, left=start, height=0.6, color=shade, alpha=0.35 + 0.6 * section["confidence"])
        axis.plot(section["thumbnail_timestamp"], row, marker="D", color=INK, markersize=4)
    names = [section["section_tag"] for section in result["sections"]]
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axis.set_ylabel("sections\n(◆ thumbnail)")


def _draw_cuts(axis: Axes, result: Result) -> None:
    for scene in result["raw_scenes"][1:]:
        axis.axvline(scene["start_seconds"], color=INK, linewidth=0.6, linestyle=(0, (2, 3)), alpha=0.5)


# The readings


def readings(series: Sequence[Series], target: Path, title: str = "Readings") -> Path:
    """One strip for each quantity, under each other, with the same time axis."""
    figure = Figure(figsize=(14, 1.0 + 1.5 * len(series)), facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0])
    for number, (axis, one) in enumerate(zip(axes, series, strict=True)):
        shade = PALETTE[(number * 3 + 6) % len(PALETTE)]
        points = [(at, value) for at, value in zip(one.times, one.values, strict=True) if value is not None]
        axis.plot([at for at, _ in points], [value for _, value in points], color=shade, linewidth=0.9)
        axis.set_ylabel(f"{one.name}\n({one.unit})", fontsize=9)
        axis.margins(x=0)
        _plain_axes(axis)
    axes[0].set_title(title, loc="left", color=INK, fontsize=15, fontweight="bold")
    return _saved(figure, target)


def _plain_axes(axis: Axes) -> None:
    axis.set_facecolor(PAPER)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color="white", linewidth=1.2)
    axis.set_axisbelow(True)
    axis.tick_params(colors=INK, labelsize=9)


def _saved(figure: Figure, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
    return target
