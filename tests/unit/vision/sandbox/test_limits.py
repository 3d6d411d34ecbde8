from emojifier_bot.app import make_isolated_decoder
from emojifier_bot.config import load_settings
from emojifier_bot.vision.decode import DecodeLimits
from emojifier_bot.vision.sandbox.limits import ChildLimits


def test_limits_go_into_a_command_and_come_out():
    limits = ChildLimits(DecodeLimits(7, 8), 9, 10, 11.5)

    assert ChildLimits.from_json(limits.to_json()) == limits


def test_settings_say_what_a_picture_may_take():
    settings = load_settings(
        max_bytes=7,
        max_pixels=8,
        decode_memory_mb=9,
        decode_cpu_seconds=10,
        decode_seconds=11.5,
        worker_concurrency=3,
    )

    decoder = make_isolated_decoder(settings)

    assert decoder._limits == ChildLimits(DecodeLimits(7, 8), 9_000_000, 10, 11.5)
    assert decoder._places._value == 3
    assert decoder.pids == []


def test_the_usual_settings_are_the_usual_limits():
    assert make_isolated_decoder(load_settings())._limits == ChildLimits()
