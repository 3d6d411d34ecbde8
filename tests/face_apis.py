"""Hosted back ends as they are built for use, in front of their stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

from emojifier_bot.vision import models_dir
from emojifier_bot.vision.analyzers.hosted import HostedAnalyzer
from emojifier_bot.vision.analyzers.registry import (
    BackendOptions,
    HostedOptions,
    build_analyzer,
)
from tests.fakes import face_azure, face_facepp, face_google, face_rekognition
from tests.fakes.clock import ManualClock
from tests.fakes.face_api import FaceApiFake


@dataclass(frozen=True)
class Vendor:
    """A back end's stand-in and the keys that it takes."""

    fake: Callable[..., FaceApiFake]
    keys: Mapping[str, str]
    #: Documented errors of the stand-in by what they mean for us.
    down: tuple[str, ...]
    busy: tuple[str, ...]
    refused: tuple[str, ...]
    credentials: tuple[str, ...]
    #: Something else answers than what was asked for.
    elsewhere: tuple[str, ...] = ()


VENDORS: Mapping[str, Vendor] = {
    "rekognition": Vendor(
        face_rekognition.RekognitionFake,
        {
            "AWS_ACCESS_KEY_ID": face_rekognition.KEY_ID,
            "AWS_SECRET_ACCESS_KEY": face_rekognition.SECRET,
        },
        down=("InternalServerError", "ServiceUnavailableException"),
        busy=("ThrottlingException", "ProvisionedThroughputExceededException"),
        refused=(
            *("ImageTooLargeException", "InvalidImageFormatException"),
            *("InvalidParameterException", "SerializationException"),
            "UnknownOperationException",
        ),
        credentials=(
            *("AccessDeniedException", "ExpiredTokenException"),
            *("IncompleteSignatureException", "InvalidSignatureException"),
            *("MissingAuthenticationTokenException", "UnrecognizedClientException"),
        ),
    ),
    "google": Vendor(
        face_google.GoogleFake,
        {"GOOGLE_API_KEY": face_google.KEY},
        down=("internal", "unavailable", "inside_internal", "inside_unavailable"),
        busy=("rate", "inside_busy"),
        refused=("too_large", "bad_request", "bad_image"),
        credentials=("bad_key", "missing_key"),
        elsewhere=("not_found",),
    ),
    "azure": Vendor(
        face_azure.AzureFake,
        {"AZURE_FACE_KEY": face_azure.KEY},
        down=("InternalServerError", "ServiceUnavailable", "OperationTimeOut"),
        busy=("RateLimitExceeded",),
        refused=(
            *("BadArgument", "InvalidImage", "InvalidImageSize"),
            "UnsupportedMediaType",
        ),
        credentials=("401", "Unspecified"),
    ),
    "facepp": Vendor(
        face_facepp.FaceppFake,
        {
            "FACEPP_API_KEY": face_facepp.KEY,
            "FACEPP_API_SECRET": face_facepp.SECRET,
        },
        down=("INTERNAL_ERROR",),
        busy=("CONCURRENCY_LIMIT_EXCEEDED",),
        refused=(
            "BAD_ARGUMENTS: return_attributes",
            "IMAGE_ERROR_UNSUPPORTED_FORMAT: image_file",
            "IMAGE_FILE_TOO_LARGE: image_file",
            "INVALID_IMAGE_SIZE: image_file",
            "MISSING_ARGUMENTS: api_key",
        ),
        credentials=("AUTHENTICATION_ERROR", "AUTHORIZATION_ERROR:denied"),
        elsewhere=("API_NOT_FOUND",),
    ),
}


def options_for(
    name: str, url: str, clock: ManualClock | None = None, **changes: Any
) -> BackendOptions:
    """Return what `build_analyzer` is told; ``changes`` are of `HostedOptions`."""
    clock = clock or ManualClock()
    hosted = HostedOptions(
        clock=clock,
        sleep=clock.sleep,
        url=url,
        keys=VENDORS[name].keys,
        region=face_rekognition.REGION,
        falls_back=False,
    )
    return BackendOptions(
        models_dir(), 0.55, "fused", threads=1, hosted=replace(hosted, **changes)
    )


@cache
def models() -> HostedAnalyzer:
    """Return a back end whose local models all others share: loading them is slow."""
    analyzer = build_analyzer("google", options_for("google", "http://127.0.0.1:1"))
    assert isinstance(analyzer, HostedAnalyzer)
    return analyzer


def hosted(
    name: str, fake: FaceApiFake, clock: ManualClock | None = None, **changes: Any
) -> HostedAnalyzer:
    """Build a back end that sends its pictures to a stand-in."""
    options = options_for(name, fake.url, clock, **changes).hosted
    assert options is not None
    api = import_module(f"emojifier_bot.vision.analyzers.{name}").make_api(options)
    shared = models()
    return HostedAnalyzer(name, api, options, shared.local, shared.by_points)
