"""ICC profiles: what a profile does decides whether pixels are converted, not its name."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from corpusloom.schemas.images.profiles import MAX_PROFILE, changes_colours, jpeg_profile, to_srgb
from tests.schemas.images.pictures import encode, exif, picture, profile_named_srgb, srgb_of_p3, with_segment

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XYZ = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        (SRGB, False),
        (SRGB.replace("sRGB".encode("utf-16-be"), "qRGB".encode("utf-16-be")), False),
        (profile_named_srgb(), True),
        (profile_named_srgb(size=3_000_000), True),
        (profile_named_srgb(size=MAX_PROFILE), True),
        (profile_named_srgb(size=MAX_PROFILE + 1), False),
        (XYZ, False),
        (b"", False),
        (b"broken sRGB" * 20, False),
        (profile_named_srgb()[:200], False),
    ],
)
def test_a_profile_changes_colours_whatever_it_is_called(profile: bytes, changes: bool) -> None:
    assert changes_colours(profile) == changes


@pytest.mark.parametrize("pixel", [(200, 100, 50), (10, 250, 90), (128, 128, 128), (255, 255, 255), (60, 20, 200)])
def test_colours_of_display_p3_are_converted(pixel: tuple[int, int, int]) -> None:
    found = to_srgb(Image.new("RGB", (2, 2), pixel), profile_named_srgb())
    assert np.abs(np.array(found.getpixel((0, 0))) - np.array(srgb_of_p3(pixel))).max() <= 2


def test_transparency_stays_and_a_useless_profile_changes_nothing() -> None:
    image = picture(mode="RGBA")
    image.putalpha(77)
    assert set(np.asarray(to_srgb(image, profile_named_srgb()))[:, :, 3].flat) == {77}
    for profile in (b"", XYZ, b"broken"):
        assert to_srgb(image, profile) is image


def test_a_profile_is_joined_from_its_segments_wherever_they_lie() -> None:
    profile = profile_named_srgb(size=200_000)
    for options in ({}, {"exif": exif()}, {"progressive": True}):
        data = with_segment(encode(picture(), "JPEG", icc_profile=profile, **options), 0xFE, b"x" * 65_000)
        assert jpeg_profile(data) == profile == Image.open(io.BytesIO(data)).info["icc_profile"]
    assert jpeg_profile(encode(picture(), "JPEG")) == b""
    assert jpeg_profile(data[:90_000]) != profile
