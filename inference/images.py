"""Images: told by content, checked from the header, then decoded. The only module that opens an image."""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pi_heif
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from inference.media import MediaError, MediaLimits
from inference.tensors import Still

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF")
_DEFAULT_LIMITS = MediaLimits()
_SKIPPED = frozenset({"MakerNote", "UserComment", "XMLPacket", "ImageResources"})
_LONGEST = 256
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_BRANDS = (b"heic", b"heix", b"mif1", b"avif")
"""What is known for one of ours even where the rest of its header is missing; brands stand behind `ftyp`."""

pi_heif.register_heif_opener()  # Pillow itself reads no HEIF


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image as its header says: size as shown, after the EXIF orientation."""

    format: str
    content_type: str
    width: int
    height: int
    frames: int
    exif: dict[str, str]


def probe(data: bytes, limits: MediaLimits = _DEFAULT_LIMITS) -> ImageInfo:
    """Format, size and EXIF, without decoding pixels; refuses what is too large or not an image."""
    with _header(data, limits) as image:
        exif = image.getexif()
        turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        name = image.format or ""
        return ImageInfo(
            format=name.lower(),
            content_type=Image.MIME.get(name, "application/octet-stream"),
            width=width,
            height=height,
            frames=int(getattr(image, "n_frames", 1)),
            exif=_tags(exif),
        )


def opened(data: bytes, limits: MediaLimits = _DEFAULT_LIMITS) -> Still:
    """The decoded image (first frame or page), upright, BGR."""
    with _header(data, limits) as image:
        return Still(np.ascontiguousarray(np.asarray(_upright(image), np.uint8)[..., ::-1]))


def thumbnail(data: bytes, side: int = 320, limits: MediaLimits = _DEFAULT_LIMITS) -> bytes:
    """A JPEG no longer than `side` pixels, upright, without metadata."""
    with _header(data, limits) as image:
        image.draft("RGB", (side, side))
        small = _upright(image)
        small.thumbnail((side, side))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
        return out.getvalue()


def difference_hash(data: bytes, limits: MediaLimits = _DEFAULT_LIMITS) -> str:
    """64 bits in hex: whether each of 8 x 8 grey pixels of a tiny copy is darker than its right neighbour."""
    with _header(data, limits) as image:
        image.draft("RGB", (72, 64))
        grey = np.asarray(_upright(image).convert("L").resize((9, 8), Image.Resampling.BOX))
        return np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes().hex()


def _upright(image: Image.Image) -> Image.Image:
    """Decoded, turned as the EXIF orientation says, transparency on white, RGB."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shown = ImageOps.exif_transpose(image)
            if shown.has_transparency_data:
                layered = shown.convert("RGBA")
                shown = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
            return shown.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        raise MediaError("corrupt_media", "the image does not decode") from error


def _header(data: bytes, limits: MediaLimits) -> Image.Image:
    """Reads the header only; the pixels are counted before any of them is decoded."""
    if len(data) > limits.image_bytes:
        raise MediaError("item_too_large", f"{len(data)} bytes, the limit is {limits.image_bytes}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise MediaError("media_too_large", f"more than {limits.image_pixels} pixels") from error
    except UnidentifiedImageError as error:
        if data.startswith(_MAGIC) or (data[4:8] == b"ftyp" and data[8:12] in _BRANDS):
            raise MediaError("corrupt_media", "the image's header cannot be read") from error
        raise MediaError("unsupported_media", "not an image of a known format") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise MediaError("corrupt_media", "the image's header cannot be read") from error
    if image.width * image.height > limits.image_pixels:
        raise MediaError("media_too_large", f"{image.width} x {image.height} pixels")
    return image


def _tags(exif: Any) -> dict[str, str]:
    """Plain EXIF tags by name; blobs and overlong texts are left out."""
    merged = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    named = {ExifTags.TAGS.get(key, str(key)): value for key, value in merged.items()}
    texts = {name: str(value).strip("\x00 ") for name, value in named.items() if not isinstance(value, bytes | dict)}
    return {name: text for name, text in sorted(texts.items()) if name not in _SKIPPED and len(text) <= _LONGEST}
