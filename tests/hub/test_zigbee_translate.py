"""From clusters to what people mean: each family by the attributes that real devices send."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import Capability, Channel, DeviceKind, Quantity, Running, SwitchState, ThermostatMode
from hub.zigbee.capabilities import EndpointFacts, Facts, describe
from hub.zigbee.model import AttributeValue
from hub.zigbee.translate.metering import from_bcd
from hub.zigbee.translate.sensing import illuminance_lx
from hub.zigbee.translate.translator import Translation, Translator
from hub.zigbee.translate.xiaomi import tags
from protocols.zcl.clusters import BASIC, ELECTRICAL_MEASUREMENT, METERING, NAMES, cluster
from protocols.zcl.datatypes import TYPES, Structure, Typed, Value
from protocols.zcl.header import Direction, FrameType, ZclHeader

HOME, ENERGY = 0x0104, 0x0109
TOTAL = Channel.TOTAL


def endpoint(
    *servers: int, device_type: int = 0x0051, clients: Sequence[int] = (), profile: int = HOME
) -> EndpointFacts:
    return EndpointFacts(profile, device_type, frozenset(servers), frozenset(clients))


def facts(*endpoints: EndpointFacts, model: str = "", is_router: bool = True, is_sleepy: bool = False) -> Facts:
    return Facts(
        endpoints=dict(enumerate(endpoints, 1)),
        manufacturer="LUMI" if model.startswith("lumi") else "Example",
        model=model,
        is_router=is_router,
        is_sleepy=is_sleepy,
    )


def value(
    cluster_id: int, attribute: int, raw: Value, *, ep: int = 1, status: int = 0, source: str = "report"
) -> AttributeValue:
    return AttributeValue(
        endpoint=ep, cluster=cluster_id, attribute=attribute, value=raw, status=status, source=source, data_type=0x21
    )


def learn(translator: Translator, cluster_id: int, **attributes: Value) -> Translation:
    """Attributes as `x0000=...`."""
    return translator.learn([value(cluster_id, int(name[1:], 16), raw) for name, raw in attributes.items()])


def readings(found: Translation) -> dict[tuple[Quantity, Channel], float]:
    return {(reading.quantity, reading.channel): reading.value for reading in found.readings}


# -- what a device is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "kind", "can"),
    [
        (facts(endpoint(0, 3, 6, 0x0702, 0x0B04)), DeviceKind.PLUG, {"switch", "meter", "identify"}),
        (facts(endpoint(0, 6, device_type=0x0002)), DeviceKind.SWITCH, {"switch"}),
        (facts(endpoint(0, 6, 0x0702, device_type=0x0002)), DeviceKind.PLUG, {"switch", "meter"}),
        (facts(endpoint(0, 3, 6, 8, device_type=0x0101)), DeviceKind.LIGHT, {"switch", "level", "identify"}),
        (facts(endpoint(0, 3, 0x0702, device_type=0x0053)), DeviceKind.METER, {"meter", "identify"}),
        (facts(endpoint(0, 0x0702, device_type=0x0501, profile=ENERGY)), DeviceKind.METER, {"meter"}),
        (facts(endpoint(0, 0x0201, device_type=0x0301)), DeviceKind.THERMOSTAT, {"thermostat", "temperature"}),
        (
            facts(endpoint(0, 1, 0x0402, 0x0405, device_type=0x0302), is_router=False),
            DeviceKind.SENSOR,
            {"temperature", "humidity", "battery"},
        ),
        (facts(endpoint(0, 1, 0x0500, device_type=0x0402), is_router=False), DeviceKind.SENSOR, {"alarm", "battery"}),
        (
            facts(endpoint(0, 1, clients=(6, 8), device_type=0x0104), is_router=False),
            DeviceKind.REMOTE,
            {"gestures", "battery"},
        ),
        (
            facts(
                endpoint(0, 3, 0x19, 0x12, clients=(0, 4, 3, 5, 0x19, 0x12), device_type=0x5F01),
                endpoint(3, 0x12, device_type=0x5F02),
                endpoint(3, 0x0C, device_type=0x5F03),
                model="lumi.sensor_cube",
                is_router=False,
            ),
            DeviceKind.REMOTE,
            {"gestures", "battery", "identify"},
        ),
        (facts(endpoint(0, device_type=0x0502, profile=ENERGY)), DeviceKind.DISPLAY, set()),
        (facts(endpoint(0, device_type=0x0008)), DeviceKind.ROUTER, set()),
        (facts(is_router=False), DeviceKind.OTHER, set()),
    ],
)
def test_a_device_is_what_people_call_it(device: Facts, kind: DeviceKind, can: set[str]) -> None:
    found = describe(device)
    assert found.kind is kind
    assert set(found.capabilities) == {Capability(name) for name in can}


# -- metering ------------------------------------------------------------------------------------------------------

PLUG = facts(endpoint(0, 3, 6, METERING))
POWER, DELIVERED = (Quantity.POWER, TOTAL), Quantity.ENERGY_DELIVERED


def test_values_wait_for_their_scaling_and_are_never_guessed() -> None:
    plug = Translator(PLUG)
    assert learn(plug, METERING, x0000=123456, x0400=1500) == Translation()
    assert learn(plug, METERING, x0301=1) == Translation()
    assert learn(plug, METERING, x0302=1000) == Translation()
    found = learn(plug, METERING, x0300=0)
    assert readings(found) == {POWER: pytest.approx(1500.0)}
    (counter,) = found.counters
    assert (counter.quantity, counter.channel, counter.raw) == (DELIVERED, TOTAL, 123456)
    assert counter.raw * counter.unit == pytest.approx(123456)


@pytest.mark.parametrize(
    ("unit", "quantity", "rate", "one"),
    [
        (0x00, Quantity.ENERGY_DELIVERED, Quantity.POWER, 1000.0),
        (0x01, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 1.0),
        (0x02, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 0.028316846592),
        (0x03, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 2.8316846592),
        (0x04, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 0.003785411784),
        (0x05, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 0.00454609),
        (0x06, Quantity.ENERGY_DELIVERED, Quantity.POWER, 0.29307107),
        (0x07, Quantity.VOLUME_DELIVERED, Quantity.FLOW, 0.001),
        (0x0C, Quantity.ENERGY_DELIVERED, Quantity.POWER, 277.7777778),
        (0x0D, Quantity.REACTIVE_ENERGY_DELIVERED, Quantity.REACTIVE_POWER, 1000.0),
    ],
)
def test_every_unit_becomes_ours(unit: int, quantity: Quantity, rate: Quantity, one: float) -> None:
    for bcd in (0, 0x80):
        meter = Translator(facts(endpoint(METERING, device_type=0x0501)))
        found = learn(meter, METERING, x0300=unit | bcd, x0301=1, x0302=100, x0000=0x1234, x0400=0x10)
        raw, demand = (1234, 10) if bcd else (0x1234, 0x10)
        (counter,) = found.counters
        assert counter.quantity is quantity
        assert counter.raw * counter.unit == pytest.approx(raw / 100 * one)
        assert readings(found) == {(rate, TOTAL): pytest.approx(demand / 100 * one)}


def test_bcd_with_a_digit_that_is_none_is_absent() -> None:
    assert from_bcd(0x1299) == 1299
    assert from_bcd(-0x42) == -42
    assert from_bcd(0x12A9) is None
    meter = Translator(PLUG)
    assert learn(meter, METERING, x0300=0x80, x0301=1, x0302=1, x0000=0x1A).counters == ()


def test_export_is_negative_power_and_energy_received() -> None:
    meter = Translator(PLUG)
    found = learn(meter, METERING, x0300=0, x0301=1, x0302=1000, x0001=5000, x0400=-2500)
    assert readings(found) == {POWER: pytest.approx(-2500.0)}
    assert [counter.quantity for counter in found.counters] == [Quantity.ENERGY_RECEIVED]


def test_an_invalid_demand_is_gone_and_an_invalid_sum_is_not_a_counter() -> None:
    meter = Translator(PLUG)
    learn(meter, METERING, x0300=0, x0301=1, x0302=1000, x0000=5, x0400=5)
    found = learn(meter, METERING, x0000=None, x0400=None)
    assert found.readings == ()
    assert found.counters == ()
    assert found.gone == ((TOTAL, Quantity.POWER),)


def test_a_device_without_multiplier_divisor_and_unit_means_one_by_them() -> None:
    meter = Translator(PLUG)
    found = meter.learn(
        [value(METERING, attribute, None, status=0x86) for attribute in (0x0300, 0x0301, 0x0302)]
        + [value(METERING, 0x0000, 7)]
    )
    (counter,) = found.counters
    assert counter.raw * counter.unit == 7000.0


def test_what_is_counted_in_a_tier_is_a_counter_of_its_own() -> None:
    meter = Translator(facts(endpoint(METERING, profile=ENERGY), endpoint(METERING, profile=ENERGY)))
    learn(meter, METERING, x0300=0, x0301=1, x0302=1000)
    found = learn(meter, METERING, x0100=5_000, x0103=70, x011C=9)
    told = {(one.quantity, one.channel): one.raw * one.unit for one in found.counters}
    assert told == {
        (DELIVERED, Channel.TIER_1): 5_000,
        (Quantity.ENERGY_RECEIVED, Channel.TIER_2): 70,
        (DELIVERED, Channel.TIER_15): 9,
    }
    meter.learn([value(METERING, 0x0104, None, status=0x86)])
    asked = {row.attribute for row in meter.reporting() if row.endpoint == 1}
    assert asked & set(range(0x0100, 0x0200)) == {0x0100, 0x0103, 0x011C}
    # Tiers of a second meter are not those of the first; and a plug has none.
    for attribute, raw in ((0x0300, 0), (0x0301, 1), (0x0302, 1)):
        meter.learn([value(METERING, attribute, raw, ep=2)])
    assert meter.learn([value(METERING, 0x0100, 1, ep=2)]).counters == ()
    wanted = {attribute for _, _, attribute, _ in Translator(PLUG).wanted()}
    assert not wanted & set(range(0x0100, 0x0200))
    assert {0x0100, 0x010B} <= {attribute for _, _, attribute, _ in meter.wanted()}


def test_tiers_may_be_decimal_digits() -> None:
    meter = Translator(facts(endpoint(METERING, profile=ENERGY)))
    (counter,) = learn(meter, METERING, x0300=0x80, x0301=1, x0302=1, x0100=0x1234).counters
    assert (counter.raw, counter.modulus) == (1234, 10**12)


def test_a_divisor_of_zero_is_not_divided_by() -> None:
    meter = Translator(PLUG)
    assert learn(meter, METERING, x0300=0, x0301=1, x0302=0, x0000=7, x0400=1) == Translation()


def test_a_pressure_is_none_of_our_quantities() -> None:
    meter = Translator(PLUG)
    assert learn(meter, METERING, x0300=8, x0301=1, x0302=1, x0000=7, x0400=1) == Translation()


def test_each_further_endpoint_has_its_own_channel() -> None:
    double = Translator(facts(endpoint(6, METERING), endpoint(6, METERING)))
    for number in (1, 2):
        double.learn([value(METERING, attribute, 1, ep=number) for attribute in (0x0301, 0x0302)])
        double.learn([value(METERING, 0x0300, 0, ep=number)])
    found = double.learn([value(METERING, 0x0400, 1, ep=1), value(METERING, 0x0400, 2, ep=2)])
    assert readings(found) == {POWER: 1000.0, (Quantity.POWER, Channel.EP_2): 2000.0}


# -- electrical measurement ----------------------------------------------------------------------------------------

METERED = facts(endpoint(0, 6, METERING, ELECTRICAL_MEASUREMENT))
SCALES = {"x0600": 1, "x0601": 10, "x0602": 1, "x0603": 1000, "x0604": 1, "x0605": 10, "x0400": 1, "x0401": 100}


def test_electrical_measurement_is_scaled_by_its_own_attributes() -> None:
    plug = Translator(METERED)
    learn(plug, ELECTRICAL_MEASUREMENT, **SCALES)
    found = learn(plug, ELECTRICAL_MEASUREMENT, x0505=2301, x0508=652, x050B=1499, x0300=5001, x0510=98)
    assert readings(found) == {
        (Quantity.VOLTAGE, TOTAL): pytest.approx(230.1),
        (Quantity.CURRENT, TOTAL): pytest.approx(0.652),
        (Quantity.POWER, TOTAL): pytest.approx(149.9),
        (Quantity.FREQUENCY, TOTAL): pytest.approx(50.01),
        (Quantity.POWER_FACTOR, TOTAL): pytest.approx(0.98),
    }


def test_one_device_has_one_series_of_power() -> None:
    plug = Translator(METERED)
    learn(plug, METERING, x0300=0, x0301=1, x0302=1000)
    learn(plug, ELECTRICAL_MEASUREMENT, **SCALES)
    assert readings(learn(plug, METERING, x0400=150)) == {POWER: pytest.approx(150.0)}
    assert readings(learn(plug, ELECTRICAL_MEASUREMENT, x050B=1499)) == {POWER: pytest.approx(149.9)}
    assert readings(learn(plug, METERING, x0400=151)) == {}


def test_three_phases_have_their_channels_and_a_sum_when_all_are_known() -> None:
    meter = Translator(facts(endpoint(ELECTRICAL_MEASUREMENT, device_type=0x0501)))
    learn(meter, ELECTRICAL_MEASUREMENT, **SCALES)
    learn(meter, ELECTRICAL_MEASUREMENT, x050B=1000)
    assert POWER not in readings(learn(meter, ELECTRICAL_MEASUREMENT, x090B=2000))
    found = readings(learn(meter, ELECTRICAL_MEASUREMENT, x0A0B=3000))
    assert found[Quantity.POWER, Channel.PHASE_C] == pytest.approx(300.0)
    assert found[POWER] == pytest.approx(600.0)
    gone = learn(meter, ELECTRICAL_MEASUREMENT, x090B=None)
    assert (Channel.PHASE_B, Quantity.POWER) in gone.gone
    assert (TOTAL, Quantity.POWER) in gone.gone


def test_the_invalid_power_of_sixteen_bits_is_invalid_in_thirty_two() -> None:
    plug = Translator(METERED)
    learn(plug, ELECTRICAL_MEASUREMENT, **SCALES)
    assert learn(plug, ELECTRICAL_MEASUREMENT, x050B=-0x8000).readings == ()


# -- climate -------------------------------------------------------------------------------------------------------

THERMOSTAT = facts(endpoint(0, 0x0201, device_type=0x0301))


def test_a_thermostat_says_what_it_measures_wants_and_does() -> None:
    device = Translator(THERMOSTAT)
    found = learn(
        device,
        0x0201,
        x0000=2050,
        x0012=2150,
        x001B=2,
        x001C=4,
        x0029=0x0001,
        x0008=40,
        x0015=700,
        x0016=2800,
        x0004=3000,
    )
    state = found.thermostat
    assert state is not None
    assert (state.temperature_c, state.heating_setpoint_c) == (20.5, 21.5)
    assert (state.mode, state.running) == (ThermostatMode.HEAT, Running.HEATING)
    assert (state.min_heating_c, state.max_heating_c) == (7.0, 28.0)
    assert state.modes == (ThermostatMode.OFF, ThermostatMode.HEAT)
    assert readings(found) == {
        (Quantity.TEMPERATURE, TOTAL): 20.5,
        (Quantity.HEATING_SETPOINT, TOTAL): 21.5,
        (Quantity.HEATING_DEMAND, TOTAL): 40.0,
    }
    cold = learn(device, 0x0201, x0000=None)
    assert cold.thermostat is not None
    assert cold.thermostat.temperature_c is None
    assert cold.gone == ((TOTAL, Quantity.TEMPERATURE),)


def test_the_same_again_is_no_news_of_the_thermostat() -> None:
    device = Translator(THERMOSTAT)
    assert learn(device, 0x0201, x0012=2150).thermostat is not None
    assert learn(device, 0x0201, x0012=2150).thermostat is None


def test_temperature_and_humidity() -> None:
    sensor = Translator(facts(endpoint(0x0402, 0x0405, device_type=0x0302)))
    assert readings(learn(sensor, 0x0402, x0000=-525)) == {(Quantity.TEMPERATURE, TOTAL): -5.25}
    assert readings(learn(sensor, 0x0405, x0000=4550)) == {(Quantity.HUMIDITY, TOTAL): 45.5}
    assert learn(sensor, 0x0405, x0000=10_001).readings == ()
    assert learn(sensor, 0x0402, x0000=None).gone == ((TOTAL, Quantity.TEMPERATURE),)


# -- sensing and switching -----------------------------------------------------------------------------------------


def test_occupancy_light_battery() -> None:
    sensor = Translator(facts(endpoint(1, 0x0400, 0x0406, device_type=0x0107)))
    assert readings(learn(sensor, 0x0406, x0000=1)) == {(Quantity.OCCUPANCY, TOTAL): 1.0}
    assert readings(learn(sensor, 0x0001, x0021=151, x0020=30)) == {
        (Quantity.BATTERY, TOTAL): 75.5,
        (Quantity.BATTERY_VOLTAGE, TOTAL): 3.0,
    }
    assert learn(sensor, 0x0001, x0021=201).readings == ()
    assert readings(learn(sensor, 0x0400, x0000=20_001)) == {(Quantity.ILLUMINANCE, TOTAL): pytest.approx(100.0)}
    assert illuminance_lx(0) == 0.0
    assert illuminance_lx(1) == pytest.approx(1.0)


def test_an_alarm_zone_by_attribute_and_by_notification() -> None:
    zone = Translator(facts(endpoint(0x0500, device_type=0x0402)))
    assert readings(learn(zone, 0x0500, x0002=0x0021)) == {(Quantity.ALARM, TOTAL): 1.0}
    header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 1, 0)
    found = zone.command(1, 0x0500, header, bytes.fromhex("200000ff0000"))
    assert readings(found) == {(Quantity.ALARM, TOTAL): 0.0}
    assert zone.command(1, 0x0500, header, b"\x01") == Translation()


def test_a_light_is_on_and_how_bright() -> None:
    light = Translator(facts(endpoint(6, 8, device_type=0x0101)))
    assert learn(light, 6, x0000=True).switch == SwitchState(on=True)
    found = learn(light, 8, x0000=127)
    assert found.switch == SwitchState(on=True, level_percent=50.0)
    assert readings(found) == {(Quantity.LEVEL, TOTAL): 50.0}
    assert learn(light, 6, x0000=True).switch is None
    assert learn(light, 6, x0000=False).switch == SwitchState(on=False, level_percent=50.0)


@pytest.mark.parametrize(
    ("cluster_id", "command", "payload", "gesture"),
    [
        (6, 0x02, "", ("toggle", None)),
        (6, 0x40, "0000", ("off", None)),
        (8, 0x02, "01200a00", ("step_down", 12.6)),
        (8, 0x05, "0053", ("move_up", None)),
        (8, 0x07, "", ("stop", None)),
        (8, 0x04, "fe0a00", ("level", 100.0)),
        (5, 0x05, "010003", ("scene", 3.0)),
    ],
)
def test_a_remote_tells_what_a_person_did(
    cluster_id: int, command: int, payload: str, gesture: tuple[str, float | None]
) -> None:
    remote = Translator(facts(endpoint(0, clients=(5, 6, 8), device_type=0x0104), is_router=False))
    header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 1, command)
    assert remote.command(1, cluster_id, header, bytes.fromhex(payload)).gestures == (gesture,)


# -- LUMI ----------------------------------------------------------------------------------------------------------

CUBE = facts(
    endpoint(0, 3, 0x19, 0x12, device_type=0x5F01),
    endpoint(3, 0x12, device_type=0x5F02),
    endpoint(3, 0x0C, device_type=0x5F03),
    model="lumi.sensor_cube",
    is_router=False,
    is_sleepy=True,
)
BATTERY_TAGS = "\x01\x21\xdb\x0b\x03\x28\x1c\x05\x21\x08\x00".encode("latin-1").decode("utf-8", "surrogateescape")
"""3035 mV, 28 °C and a counter, as a cube sends them."""


@pytest.mark.parametrize(
    ("raw", "gesture"),
    [
        (0, ("shake", None)),
        (2, ("wake", None)),
        (3, ("fall", None)),
        (64 + 8 * 1 + 4, ("flip_90", 4.0)),
        (128 + 3, ("flip_180", 3.0)),
        (256 + 5, ("slide", 5.0)),
        (512 + 1, ("tap", 1.0)),
    ],
)
def test_the_cube_tells_its_gestures(raw: int, gesture: tuple[str, float | None]) -> None:
    cube = Translator(CUBE)
    assert cube.learn([value(0x12, 0x55, raw, ep=2)]).gestures == (gesture,)
    assert cube.learn([value(0x12, 0x55, raw, ep=2, source="read")]).gestures == ()


def test_the_cube_turns_left_and_right_by_degrees() -> None:
    cube = Translator(CUBE)
    assert cube.learn([value(0x0C, 0x55, 90.5, ep=3)]).gestures == (("rotate_right", 90.5),)
    assert cube.learn([value(0x0C, 0x55, -12.0, ep=3)]).gestures == (("rotate_left", 12.0),)


def test_private_attributes_give_the_battery() -> None:
    cube = Translator(CUBE)
    found = readings(cube.learn([value(BASIC, 0xFF01, BATTERY_TAGS)]))
    assert found == {(Quantity.BATTERY_VOLTAGE, TOTAL): 3.035, (Quantity.BATTERY, TOTAL): 100.0}
    structure = Structure((Typed(0x10, True), Typed(0x21, 2925), Typed(0x21, 0x13A8)))
    found = readings(cube.learn([value(BASIC, 0xFF02, structure)]))
    assert found == {(Quantity.BATTERY_VOLTAGE, TOTAL): 2.925, (Quantity.BATTERY, TOTAL): 50.0}
    assert list(tags(bytes.fromhex("0121db0b0399"))) == [(1, Typed(0x21, 0x0BDB))]


def test_a_lumi_sensor_is_not_asked_to_report() -> None:
    assert Translator(CUBE).reporting() == ()


def test_a_contact_of_lumi_is_an_alarm_and_not_a_switch() -> None:
    contact = Translator(facts(endpoint(0, 6, device_type=0x0104), model="lumi.sensor_magnet", is_router=False))
    found = learn(contact, 6, x0000=True)
    assert found.switch is None
    assert readings(found) == {(Quantity.ALARM, TOTAL): 1.0}


# -- reporting -----------------------------------------------------------------------------------------------------


def test_least_changes_follow_the_scaling() -> None:
    plug = Translator(METERED)
    learn(plug, METERING, x0300=0, x0301=1, x0302=1000)
    learn(plug, ELECTRICAL_MEASUREMENT, **SCALES, x050B=10)
    plug.learn([value(METERING, 0x0001, None, status=0x86)])
    rows = {(row.cluster, row.attribute): row for row in plug.reporting()}
    assert rows[METERING, 0].change == 10
    assert rows[ELECTRICAL_MEASUREMENT, 0x050B].change == 10
    assert rows[ELECTRICAL_MEASUREMENT, 0x0508].change == 50
    assert (METERING, 0x0400) not in rows
    assert (METERING, 0x0001) not in rows
    assert rows[6, 0].change is None
    for row in rows.values():
        assert row.min_s <= row.max_s


# -- whatever else arrives -----------------------------------------------------------------------------------------

ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.just(Structure((Typed(0x10, True), Typed(0x21, 3000)))),
)
SERVED = sorted(number for number in NAMES if cluster(number) is not None)
EVERYTHING = facts(endpoint(*SERVED), endpoint(*SERVED), model="lumi.sensor_cube", is_router=False)
ALSO = facts(endpoint(*SERVED), endpoint(*SERVED))


@st.composite
def attributes(draw: st.DrawFn) -> AttributeValue:
    cluster_id = draw(st.sampled_from(SERVED))
    rows = cluster(cluster_id)
    known = [row for row, _ in rows.server] if rows is not None and rows.server else [0]
    return AttributeValue(
        endpoint=draw(st.sampled_from((1, 2, 7))),
        cluster=cluster_id,
        attribute=draw(st.sampled_from(known)),
        value=draw(ANY_VALUE),
        data_type=draw(st.sampled_from(sorted(TYPES))),
        status=draw(st.sampled_from((0, 0, 0, 0x86))),
        source="report",
    )


@given(values=st.lists(attributes(), max_size=12), device=st.sampled_from((EVERYTHING, ALSO)))
def test_nothing_that_a_device_says_breaks_or_invents(values: list[AttributeValue], device: Facts) -> None:
    translator = Translator(device)
    for one in values:
        found = translator.learn([one])
        for reading in found.readings:
            assert math.isfinite(reading.value), reading
    translator.reporting()


@given(
    cluster_id=st.sampled_from(SERVED),
    command=st.integers(0, 255),
    payload=st.binary(max_size=12),
    direction=st.sampled_from(tuple(Direction)),
)
def test_any_command_is_translated_or_left(cluster_id: int, command: int, payload: bytes, direction: Direction) -> None:
    header = ZclHeader(FrameType.CLUSTER, direction, 1, command)
    for device in (EVERYTHING, ALSO):
        Translator(device).command(1, cluster_id, header, payload)
