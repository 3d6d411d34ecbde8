"""Colours that a file states without an ICC profile.

HEIC, AVIF and PNG state primaries and a transfer function by numbers
("coding-independent code points", ITU-T H.273); PNG also by a gamma and chromaticities.
Where these mean other colours than sRGB, a profile is made of them, which the result
keeps. Pictures of high dynamic range (HDR) become sRGB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from emojifier_bot.vision.color import hdr_codes, is_srgb, matrix_profile

_Array = NDArray[np.float64]

#: Chromaticities (x, y) of white, red, green and blue, by the number of the primaries.
_D65, _C, _E = (0.3127, 0.329), (0.31, 0.316), (1 / 3, 1 / 3)
_BT709 = (_D65, (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
_SMPTE170 = (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07))
_PRIMARIES = {
    1: _BT709,
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.6), (0.15, 0.06)),
    6: _SMPTE170,
    7: _SMPTE170,
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    10: (_E, (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    22: (_D65, (0.63, 0.34), (0.295, 0.605), (0.155, 0.077)),
}
#: Exponents of plain power curves, by the number of the transfer function. All others
#: of standard dynamic range are shown by browsers as sRGB's.
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_PQ, _HLG = 16, 18
#: sRGB's curve as a parametric curve of ICC: g, a, b, c, d.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
#: Light up to which sRGB is linear.
_SRGB_LINEAR = 0.0031308
#: PNG's gamma of sRGB, and how far off it may be to mean sRGB: as in libpng.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 0.45455, 0.05
#: Of a power curve.
_LEAST_GAMMA, _MOST_GAMMA = 0.1, 10.0

_D50_XYZ = np.array([0.9642, 1.0, 0.8249])
#: More than any colour that is stated on purpose.
_MOST_XYZ = 2.0
#: From XYZ to the responses of cones (Bradford), in which white is adapted.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
#: The way back. Also numpy's first use of OpenBLAS, which ends the process where it
#: finds no memory for itself: here nothing is limited yet.
_FROM_CONES = np.linalg.inv(_BRADFORD)

#: Light of a sheet of white paper in HDR, and of the brightest HLG (ITU-R BT.2408).
_WHITE_NITS, _HLG_NITS, _PQ_NITS = 203.0, 1000.0, 10_000.0
_HLG_SYSTEM_GAMMA = 1.2
#: Of SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG).
_M1, _M2, _C1, _C2, _C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
_HLG_A, _HLG_B, _HLG_C, _HLG_HALF = 0.17883277, 0.28466892, 0.55991073, 0.5
#: Light up to this share of white stays as it is; what is brighter is compressed.
_KNEE = 0.5
#: The peak is the light that this share of the pixels passes.
_PEAK_SHARE = 0.001
#: That of clips, whose frames must not differ in it: 1,000 nits, where HLG ends and for
#: which most PQ is made.
_STEADY_PEAKS = {_PQ: 192, _HLG: 255}
#: Steps of each colour in the table by which colours are converted, and its largest
#: value in Pillow.
_TABLE_SIDE, _MOST_IN_TABLE = 65, 2.0

HDR_NOTE = (
    "This is an HDR picture. The result has ordinary brightness, as on other screens."
)


@dataclass(frozen=True, slots=True)
class Cicp:
    """Numbers of colour primaries and of a transfer function."""

    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        """Tell whether white is not the brightest that there is."""
        return self.transfer in (_PQ, _HLG)


def stated_colors(info: Mapping[Any, Any]) -> tuple[bytes | None, Cicp | None]:
    """Return what a picture's information says about its colours.

    Of several statements the first one counts: PNG's numbers, a profile, HEIF's and
    AVIF's numbers, sRGB, gamma and chromaticities (PNG, third edition, 4.3).

    Args:
        info: Of a Pillow image; ``cicp`` is PNG's, ``nclx_profile`` HEIF's.

    Returns:
        A profile, perhaps not for RGB or damaged, or ``None`` for sRGB; and the
        numbers where the picture is HDR.
    """
    profile: bytes | None = info.get("icc_profile")
    nclx = info.get("nclx_profile")
    cicp: Cicp | None = info.get("cicp")
    if cicp is None and profile is not None:
        numbers = hdr_codes(profile)
        return (None, Cicp(*numbers)) if numbers else (profile, None)
    if cicp is None and nclx:
        cicp = Cicp(nclx["color_primaries"], nclx["transfer_characteristics"])
    if cicp is not None:
        return (None, cicp) if cicp.is_hdr else (_cicp_profile(cicp), None)
    if "srgb" in info:
        return None, None
    return _png_profile(info.get("gamma"), info.get("chromaticity")), None


def tone_mapped(
    image: Image.Image,
    cicp: Cicp,
    counted: Image.Image | None = None,
    *,
    steady: bool = False,
) -> Image.Image:
    """Convert an HDR picture to sRGB.

    Paper white becomes white. Where the picture is brighter, light above half of that
    is compressed, by the same factor for all three colours, so that hues stay.

    Args:
        image: RGB or RGBA.
        cicp: Its colours.
        counted: How bright it is, only what lies in this mask says; None is for all.
        steady: Neither does that: it is a frame of a clip.
    """
    peak = _STEADY_PEAKS[cicp.transfer] if steady else max(_peak_codes(image, counted))
    return image.filter(_tone_table(cicp, peak))


def _cicp_profile(cicp: Cicp) -> bytes | None:
    """Return a profile, ``None`` for sRGB and for unknown numbers."""
    gamma = _GAMMAS.get(cicp.transfer)
    return _profile(
        _PRIMARIES.get(cicp.primaries, _BT709),
        _SRGB_CURVE if gamma is None else (gamma,),
    )


def _png_profile(
    gamma: float | None, chromaticity: Sequence[float] | None
) -> bytes | None:
    if not (gamma or chromaticity):
        return None
    curve: tuple[float, ...] = _SRGB_CURVE
    if gamma and abs(gamma / _SRGB_GAMMA - 1) > _GAMMA_TOLERANCE:
        curve = (1 / gamma,)
        if not _LEAST_GAMMA <= curve[0] <= _MOST_GAMMA:
            return None
    points = tuple(zip(*[iter(chromaticity or ())] * 2, strict=True))
    return _profile(points or _BT709, curve)


@lru_cache(maxsize=16)
def _profile(
    primaries: Sequence[tuple[float, ...]], curve: tuple[float, ...]
) -> bytes | None:
    try:
        colorants = _to_d50(primaries)
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    profile = matrix_profile(colorants.T.tolist(), curve)
    return None if is_srgb(profile) else profile


def _to_xyz(primaries: Sequence[tuple[float, ...]]) -> _Array:
    """Return the ``(3, 3)`` matrix from linear RGB to XYZ, white at Y = 1.

    Raises:
        ArithmeticError: A colour is out of bounds.
        LinAlgError: They span no space.
    """
    xyz = np.array([[x, y, 1 - x - y] for x, y in primaries]).T
    if not (np.isfinite(xyz).all() and xyz[1, 0] > 0):
        raise ArithmeticError
    white, colors = xyz[:, 0] / xyz[1, 0], xyz[:, 1:]
    return np.asarray(colors * np.linalg.solve(colors, white))


def _to_d50(primaries: Sequence[tuple[float, ...]]) -> _Array:
    """Return the same with white adapted to D50, as profiles have it."""
    to_xyz = _to_xyz(primaries)
    scale = (_BRADFORD @ _D50_XYZ) / (_BRADFORD @ to_xyz.sum(axis=1))
    adapted = _FROM_CONES @ (scale[:, None] * _BRADFORD) @ to_xyz
    if not np.abs(adapted).max() < _MOST_XYZ:
        raise ArithmeticError
    return np.asarray(adapted)


def _peak_codes(image: Image.Image, counted: Image.Image | None) -> list[int]:
    """Return the values of the channels that few pixels pass."""
    counts = np.array(image.histogram(counted)[: 3 * 256]).reshape(3, 256)
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    enough = above > _PEAK_SHARE * above[:, :1]
    return [int(np.flatnonzero(one).max(initial=0)) for one in enough]


@lru_cache(maxsize=4)
def _tone_table(cicp: Cicp, peak_code: int) -> ImageFilter.Color3DLUT:
    steps = np.linspace(0, 1, _TABLE_SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    codes = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    primaries = _PRIMARIES.get(cicp.primaries, _BT709)
    to_srgb = np.linalg.inv(_to_d50(_BT709)) @ _to_d50(primaries)
    luminance = _to_xyz(primaries)[1]
    light = np.maximum(_light(codes, cicp, luminance) @ to_srgb.T, 0)
    peak = _light(np.full((1, 3), peak_code / 255), cicp, luminance).max()
    brightest = light.max(axis=1, keepdims=True)
    mapped = light * _compressed(brightest, peak) / np.maximum(brightest, 1e-9)
    # Beyond white too: values between two steps are the mean of both.
    table = np.minimum(_srgb_encoded(mapped), _MOST_IN_TABLE)
    return ImageFilter.Color3DLUT(_TABLE_SIDE, table.astype(np.float32).ravel())


def _light(codes: _Array, cicp: Cicp, luminance: _Array) -> _Array:
    """Return ``(N, 3)`` light of ``(N, 3)`` values of 0 to 1; paper white has 1."""
    if cicp.transfer == _PQ:
        power = codes ** (1 / _M2)
        base = np.maximum(power - _C1, 0) / (_C2 - _C3 * power)
        return np.asarray(base ** (1 / _M1) * (_PQ_NITS / _WHITE_NITS))
    scene = np.where(
        codes <= _HLG_HALF,
        codes**2 / 3,
        (np.exp((codes - _HLG_C) / _HLG_A) + _HLG_B) / 12,
    )
    shown = scene * (scene @ luminance)[:, None] ** (_HLG_SYSTEM_GAMMA - 1)
    return np.asarray(shown * (_HLG_NITS / _WHITE_NITS))


def _compressed(light: _Array, peak: float) -> _Array:
    """Bring light of up to the peak to 1 at most: smoothly above the knee."""
    if peak <= 1:
        return light
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    highest = (peak - _KNEE) / (1 - _KNEE)
    rolled = above * (1 + above / highest**2) / (1 + above)
    return np.asarray(np.minimum(light, _KNEE) + rolled * (1 - _KNEE))


def _srgb_encoded(light: _Array) -> _Array:
    curved = 1.055 * np.maximum(light, _SRGB_LINEAR) ** (1 / 2.4) - 0.055
    return np.where(light <= _SRGB_LINEAR, light * 12.92, curved)
