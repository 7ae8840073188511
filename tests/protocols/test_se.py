"""Commands of the Smart Energy clusters: layouts as the profile gives them, every truncation, random bytes, revisions.

Golden bytes are put together by hand from the layouts of the Smart Energy profile (1.0 r15, 1.1b, 1.2), field by field.
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from protocols.errors import CodecError, RangeError, TruncatedError
from protocols.se import drlc, key_establishment, messaging, metering, prepayment, price, tariff, tunneling
from protocols.se.base import Commands, SeCommand, SeVersion

CLUSTERS = (drlc, key_establishment, messaging, metering, prepayment, tariff, tunneling)
EVERY = [command for module in CLUSTERS for command in module.COMMANDS.known.values()]

PRICE = price.PublishPrice(
    provider_id=0x01020304,
    rate_label="peak",
    issuer_event_id=0x11121314,
    current_time=0x21222324,
    unit_of_measure=0,
    currency=978,
    price_trailing_digit_and_tier=0x42,
    number_of_price_tiers_and_register_tier=0x32,
    start_time=0,
    duration_min=60,
    price=123456,
)
PRICE_WIRE = (
    "04030201 04 7065616b 14131211 24232221 00 d203 42 32 00000000 3c00 40e20100 ff ffffffff ff"  # r14: 34 + 4 bytes
)
EVENT = drlc.LoadControlEvent(
    issuer_event_id=0x1234,
    device_class=drlc.DeviceClass(0x0FFF),
    duration_min=60,
    criticality=drlc.Criticality.GREEN,
)
GOLDEN: list[tuple[SeCommand, str]] = [
    # The manual's defaults of create_DRLC_event (CPX2-SE).
    (EVENT, "34120000 ff0f 00 00000000 3c00 01 ff ff 0080 0080 80 ff 03"),
    (
        drlc.LoadControlEvent(
            issuer_event_id=7,
            device_class=drlc.DeviceClass.WATER_HEATER | drlc.DeviceClass.EV,
            utility_enrollment_group=5,
            start_time=0x2B5C0000,
            duration_min=1440,
            criticality=drlc.Criticality.LEVEL_2,
            cooling_offset=10,
            heating_offset=20,
            cooling_set_point=2600,
            heating_set_point=-150,
            load_adjustment=-10,
            duty_cycle=50,
            event_control=drlc.PUNCTUAL,
        ),
        "07000000 0404 05 00005c2b a005 03 0a 14 280a 6aff f6 32 00",
    ),
    (
        drlc.CancelLoadControlEvent(issuer_event_id=7, device_class=drlc.DeviceClass.EV, utility_enrollment_group=5),
        "07000000 0004 05 00 00000000",
    ),
    (drlc.CancelAllLoadControlEvents(drlc.CancelControl.WITH_RANDOMIZATION), "01"),
    (
        drlc.ReportEventStatus(
            issuer_event_id=7,
            status=drlc.EventStatus.STARTED,
            status_time=0x2B5C0001,
            criticality_applied=drlc.Criticality.LEVEL_2,
            heating_set_point_applied=1800,
            duty_cycle_applied=50,
            event_control=drlc.EventControl.RANDOMIZE_START,
        ),
        "07000000 02 01005c2b 03 0080 0807 80 32 01 00",
    ),
    (drlc.GetScheduledEvents(start_time=1, number_of_events=2), "01000000 02"),
    (drlc.GetScheduledEvents(start_time=1, number_of_events=2, issuer_event_id=3), "01000000 02 03000000"),
    (PRICE, PRICE_WIRE),
    (
        replace(
            PRICE,
            alternate_cost_delivered=5,
            alternate_cost_unit=price.AlternateCostUnit.KG_CO2,
            alternate_cost_trailing_digit=0x20,
        ),
        PRICE_WIRE + "05000000 01 20",
    ),
    (price.GetCurrentPrice(price.CommandOptions.RECEIVER_ON_WHEN_IDLE), "01"),
    (price.GetScheduledPrices(9, 0), "09000000 00"),
    (price.PriceAcknowledgement(1, 2, 3, price.PriceControl.ACKNOWLEDGE), "01000000 02000000 03000000 01"),
    (tariff.PublishBlockPeriod(1, 2, 3, 0x010203, 0x12, 1), "01000000 02000000 03000000 030201 12 01"),
    (
        tariff.PublishBlockThresholds(
            provider_id=1,
            issuer_event_id=2,
            start_time=3,
            tariff_id=4,
            command_index=0,
            total_commands=1,
            sub_payload_control=0,
            tiers=(tariff.TierThresholds(0x12, (1, 2)), tariff.TierThresholds(0x21, (3,))),
        ),
        "01000000 02000000 03000000 04000000 00 01 00 12 010000000000 020000000000 21 030000000000",
    ),
    (
        tariff.PublishTierLabels(1, 2, 3, 0, 1, (tariff.TierLabel(1, "low"), tariff.TierLabel(2, ""))),
        "01000000 02000000 03000000 00 01 02 01 03 6c6f77 02 00",
    ),
    (
        messaging.DisplayMessage(
            message_id=1234,
            control=messaging.message_control(messaging.Importance.HIGH, confirm=True),
            duration_min=5,
            message="Grüße",
        ),
        "d2040000 88 00000000 0500 07 4772c3bcc39f65",
    ),
    (messaging.CancelMessage(message_id=1234, control=0x80), "d2040000 80"),
    (messaging.MessageConfirmation(message_id=1, confirmation_time=2), "01000000 02000000"),
    (messaging.GetLastMessage(), ""),
    (metering.GetProfile(metering.IntervalChannel.RECEIVED, 0, 24), "01 00000000 18"),
    (
        metering.GetProfileResponse(
            5, metering.ProfileStatus.SUCCESS, metering.ProfileInterval.MINUTES_15, (1, 0xFFFFFF)
        ),
        "05000000 00 03 02 010000 ffffff",
    ),
    (metering.RequestMirrorResponse(0x00F0), "f000"),
    (metering.RequestFastPollMode(5, 15), "05 0f"),
    (metering.RequestFastPollModeResponse(5, 0x01020304), "05 04030201"),
    (
        tunneling.RequestTunnel(protocol=tunneling.TunnelProtocol.DLMS_COSEM, max_incoming_transfer=0x05DC),
        "00 ffff 00 dc05",
    ),
    (tunneling.TransferDataToClient(1, b"hello"), "0100 68656c6c6f"),
    (
        tunneling.SupportedTunnelProtocolsResponse(
            1, (tunneling.SupportedProtocol(0xFFFF, tunneling.TunnelProtocol.SML),)
        ),
        "01 01 ffff 04",
    ),
    (
        key_establishment.InitiateKeyEstablishmentRequest(key_establishment.Suite.SECT163K1, 6, 7, bytes(range(48))),
        "0100 06 07" + bytes(range(48)).hex(),
    ),
    (
        key_establishment.TerminateByResponder(
            key_establishment.TerminateStatus.BAD_KEY_CONFIRM, 30, key_establishment.Suite.SECT163K1
        ),
        "02 1e 0100",
    ),
    (prepayment.ConsumerTopUp(prepayment.OriginatingDevice.IN_HOME_DISPLAY, "123"), "02 03 313233"),
    (
        prepayment.ConsumerTopUpResponse(prepayment.TopUpResult.ACCEPTED, -1, 2, 500),
        "00 ffffffff 02 f4010000",
    ),
]


@pytest.mark.parametrize(
    ("command", "wire"), GOLDEN, ids=lambda one: type(one).__name__ if not isinstance(one, str) else ""
)
def test_a_command_is_laid_out_as_the_profile_says(command: SeCommand, wire: str) -> None:
    raw = bytes.fromhex(wire)
    assert command.encode() == raw
    assert type(command).decode(raw) == command


@pytest.mark.parametrize(
    ("command", "wire"), GOLDEN, ids=lambda one: type(one).__name__ if not isinstance(one, str) else ""
)
def test_a_command_that_is_cut_is_malformed_unless_only_a_tail_is_missing(command: SeCommand, wire: str) -> None:
    raw = bytes.fromhex(wire)
    for size in range(len(raw)):
        try:
            found = type(command).decode(raw[:size])
        except TruncatedError:
            continue
        assert found.encode() == raw[:size]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (drlc.LoadControlEvent, 23),
        (drlc.CancelLoadControlEvent, 12),
        (drlc.CancelAllLoadControlEvents, 1),
        (drlc.ReportEventStatus, 18),
        (drlc.GetScheduledEvents, 5),
        (price.PriceAcknowledgement, 13),
        (tariff.GetBlockPeriods, 5),
        (tariff.GetConversionFactor, 9),
        (tariff.GetTariffInformation, 10),
        (tariff.GetPriceMatrix, 4),
        (tariff.PublishBlockPeriod, 17),
        (tariff.PublishConversionFactor, 13),
        (tariff.PublishCalorificValue, 14),
        (tariff.PublishCO2Value, 19),
        (tariff.PublishBillingPeriod, 17),
        (tariff.PublishConsolidatedBill, 24),
        (tariff.PublishCPPEvent, 17),
        (tariff.PublishCurrencyConversion, 25),
        (tariff.CancelTariff, 9),
        (messaging.CancelMessage, 5),
        (messaging.MessageConfirmation, 8),
        (metering.GetProfile, 6),
        (metering.StartSampling, 13),
        (metering.GetSampledData, 9),
        (metering.ChangeSupply, 18),
        (metering.SetSupplyStatus, 8),
        (metering.SetUncontrolledFlowThreshold, 18),
        (metering.ConfigureMirror, 9),
        (metering.SupplyStatusResponse, 13),
        (tunneling.RequestTunnel, 4),
        (tunneling.RequestTunnelResponse, 3),
        (key_establishment.ConfirmKeyDataRequest, 16),
        (key_establishment.TerminateByInitiator, 4),
        (prepayment.EmergencyCreditSetup, 16),
        (prepayment.CreditAdjustment, 13),
        (prepayment.ChangePaymentMode, 18),
        (prepayment.SetMaximumCreditLimit, 20),
        (prepayment.ConsumerTopUpResponse, 10),
    ],
    ids=lambda one: one.__name__ if isinstance(one, type) else "",
)
def test_a_command_takes_as_many_bytes_as_the_profile_says(kind: type[SeCommand], size: int) -> None:
    assert len(kind.decode(bytes(size)).encode()) == size
    with pytest.raises(TruncatedError):
        kind.decode(bytes(size - 1))


def test_a_price_grows_with_the_revision() -> None:
    whole = replace(
        PRICE, alternate_cost_delivered=1, alternate_cost_unit=price.AlternateCostUnit.KG_CO2,
        alternate_cost_trailing_digit=0x10, number_of_block_thresholds=0xFF,
        price_control=price.PriceControl.ACKNOWLEDGE,
        number_of_generation_tiers=1, generation_tier=1, extended_number_of_price_tiers=0, extended_price_tier=0,
        extended_register_tier=0,
    )  # fmt: skip
    n = len("peak")
    assert len(PRICE.encode()) == 34 + n
    sizes = {version: len(whole.cut(version).encode()) for version in SeVersion}
    assert sizes == {SeVersion.V1_0: 40 + n, SeVersion.V1_1: 42 + n, SeVersion.V1_2: 47 + n}
    for version in SeVersion:
        cut = whole.cut(version)
        assert price.PublishPrice.decode(cut.encode()) == cut
        assert price.PublishPrice.decode(cut.encode() + b"what comes later")  # a newer revision has more
    assert PRICE.cut(SeVersion.V1_2) == PRICE


def test_a_report_has_its_signature_without_a_length() -> None:
    signature = bytes(range(42))
    report = drlc.ReportEventStatus(
        issuer_event_id=1, status=drlc.EventStatus.RECEIVED, status_time=2, criticality_applied=drlc.Criticality.GREEN,
        signature_type=drlc.SignatureType.ECDSA, signature=signature,
    )  # fmt: skip
    raw = report.encode()
    assert (len(raw), raw[18:]) == (60, signature)
    assert drlc.ReportEventStatus.decode(raw) == report
    assert drlc.ReportEventStatus.decode(raw[:18]).signature is None
    for size in (19, 41, 59):
        with pytest.raises(TruncatedError):
            drlc.ReportEventStatus.decode(raw[:size])
    # The event's control stands before the type of the signature.
    assert struct.unpack_from("<BB", raw, 16) == (report.event_control, report.signature_type)


def test_applied_values_are_signed_and_unused_ones_come_back_as_they_went() -> None:
    raw = bytes.fromhex("01000000 06 02000000 05 0080 0080 80 ff 00 00")
    report = drlc.ReportEventStatus.decode(raw)
    assert (report.cooling_set_point_applied, report.load_adjustment_applied) == (-0x8000, -0x80)
    assert report.encode() == raw
    with pytest.raises(RangeError, match=r"cooling_set_point is 32768, allowed: -32768 to 32767"):
        replace(EVENT, cooling_set_point=0x8000).encode()


def test_messaging_has_its_directions_the_right_way_round() -> None:
    known = messaging.COMMANDS.known
    assert known[True, 0] is messaging.GetLastMessage
    assert known[False, 0] is messaging.DisplayMessage
    assert messaging.GetLastMessage.MINIMUM == 0


def test_a_message_says_how_important_it_is_and_whether_it_wants_an_answer() -> None:
    for importance in messaging.Importance:
        for confirm in (False, True):
            control = messaging.message_control(importance, confirm=confirm)
            assert messaging.importance_of(control) is importance
            assert messaging.wants_confirmation(control) is confirm


def test_both_sides_may_end_key_establishment() -> None:
    known = key_establishment.COMMANDS.known
    assert known[True, 3] is key_establishment.TerminateByInitiator
    assert known[False, 3] is key_establishment.TerminateByResponder


def test_a_label_is_a_text_behind_its_length_and_never_too_long() -> None:
    assert tariff.TierLabel.decode(b"\x01\xff").label == ""
    longer = tariff.TierLabel.decode(b"\x01\x0dthirteen long")
    assert longer.label == "thirteen long"
    with pytest.raises(RangeError, match="at most 12 bytes"):
        longer.encode()
    strange = tariff.TierLabel.decode(b"\x01\x02\xff\xfe")
    assert strange.encode() == b"\x01\x02\xff\xfe"
    with pytest.raises(RangeError, match="number of thresholds"):
        tariff.TierThresholds(0x13, (1, 2))


def test_unknown_values_are_kept() -> None:
    raw = EVENT.encode()[:13] + b"\x77" + EVENT.encode()[14:]
    assert drlc.LoadControlEvent.decode(raw).encode() == raw
    assert drlc.COMMANDS.read(0x55, b"", to_server=True) is None


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_random_bytes_raise_nothing_but_codec_errors_and_come_back_the_same(kind: type[SeCommand]) -> None:
    source = random.Random(kind.__name__)
    read = 0
    for _ in range(300):
        raw = source.randbytes(source.randrange(0, 90)) if source.random() < 0.9 else bytes(source.randrange(0, 90))
        try:
            found = kind.decode(raw)
        except CodecError:
            continue
        read += 1
        try:
            again = found.encode()
        except RangeError as error:
            assert "at most" in str(error)  # a text longer than it may be
            continue
        if b"\xff" not in raw:  # the invalid length of a text is written as none
            assert raw.startswith(again)
        assert kind.decode(again) == found
    assert read


def test_a_cluster_has_no_command_twice() -> None:
    with pytest.raises(ValueError, match="two commands of one id"):
        Commands(0x0701, drlc.LoadControlEvent, drlc.LoadControlEvent)
    with pytest.raises(ValueError, match="another cluster"):
        Commands(0x0702, drlc.LoadControlEvent)
    assert sum(len(module.COMMANDS.known) for module in CLUSTERS) == len(EVERY)
