"""Attributes of the Smart Energy clusters beside Metering, as rows (SE 1.1b and 1.2, annexes C and D).

Commands are in `protocols.se`, which reads them by revision; here are none. Where a row says nothing else, the revision
that brought it is 1.1 for Price up to 0x0303, and 1.2 for what is above that and for Prepayment.
"""

from __future__ import annotations

from collections.abc import Mapping

_PRICE_ROWS = """
    0x0000 tier_{n}_price_label octstr rw n=1..48
    0x0100 block_{n}_threshold uint48 r n=1..15
    0x010f block_threshold_count uint8 r
    0x0110 tier_{t}_block_{n}_threshold uint48 r t=1..15 n=1..15
    0x011f tier_{t}_block_threshold_count uint8 r t=1..15
    0x0200 start_of_block_period utc r
    0x0201 block_period_duration uint24 r unit=min
    0x0202 threshold_multiplier uint24 r
    0x0203 threshold_divisor uint24 r
    0x0204 block_period_duration_type map8 r
    0x0300 commodity_type enum8 r
    0x0301 standing_charge uint32 r
    0x0302 conversion_factor uint32 r
    0x0303 conversion_factor_trailing_digit map8 r
    0x0304 calorific_value uint32 r
    0x0305 calorific_value_unit enum8 r
    0x0306 calorific_value_trailing_digit map8 r
    0x0400 no_tier_block_{n}_price uint32 r n=1..16
    0x0410 tier_{t}_block_{n}_price uint32 r t=1..15 n=1..16
    0x050f price_tier_{n} uint32 r n=16..47
    0x05fe critical_peak_1_price uint32 r
    0x05ff critical_peak_2_price uint32 r
    0x0610 tariff_label octstr r
    0x0611 price_tiers_in_use uint8 r
    0x0612 block_thresholds_in_use uint8 r
    0x0613 tier_block_mode enum8 r
    0x0615 unit_of_measure enum8 r
    0x0616 currency uint16 r
    0x0617 price_trailing_digit map8 r
    0x0619 tariff_resolution_period enum8 r
    0x0620 co2 uint32 r
    0x0621 co2_unit enum8 r
    0x0622 co2_trailing_digit map8 r
    0x0700 current_billing_period_start utc r
    0x0701 current_billing_period_duration uint24 r
    0x0702 last_billing_period_start utc r
    0x0703 last_billing_period_duration uint24 r
    0x0704 last_billing_period_consolidated_bill uint32 r
    0x0800 credit_payment_due_date utc r
    0x0801 credit_payment_status enum8 r
    0x0802 credit_payment_overdue_amount int32 r
    0x080a payment_discount int32 r
    0x080b payment_discount_period enum8 r
    0x0810 credit_card_payment_{n} uint32 r n=1..5 step=16
    0x0811 credit_card_payment_date_{n} utc r n=1..5 step=16
    0x0812 credit_card_payment_reference_{n} octstr r n=1..5 step=16
    0x8000 received_tier_{n}_price_label octstr rw n=1..48
    0x8100 received_block_{n}_threshold uint48 r n=1..16
    0x8200 received_start_of_block_period utc r
    0x8201 received_block_period_duration uint24 r
    0x8202 received_threshold_multiplier uint24 r
    0x8203 received_threshold_divisor uint24 r
    0x8400 received_no_tier_block_{n}_price uint32 r n=1..16
    0x8410 received_tier_{t}_block_{n}_price uint32 r t=1..15 n=1..16
    0x850f received_price_tier_{n} uint32 r n=16..63
    0x8610 received_tariff_label octstr r
    0x8611 received_price_tiers_in_use uint8 r
    0x8612 received_block_thresholds_in_use uint8 r
    0x8613 received_tier_block_mode enum8 r
    0x8625 received_co2 uint32 r
    0x8626 received_co2_unit enum8 r
    0x8627 received_co2_trailing_digit map8 r
    0x8700 received_current_billing_period_start utc r
    0x8701 received_current_billing_period_duration uint24 r
    0x8702 received_last_billing_period_start utc r
    0x8703 received_last_billing_period_duration uint24 r
    0x8704 received_last_billing_period_consolidated_bill uint32 r
    0xfffd cluster_revision uint16 r
    client:
    0x0000 price_increase_randomize_minutes uint8 rw unit=min range=0..60
    0x0001 price_decrease_randomize_minutes uint8 rw unit=min range=0..60
    0x0002 commodity_type enum8 r
    0xfffd cluster_revision uint16 r
"""

_DEMAND_RESPONSE_ROWS = """
    0xfffd cluster_revision uint16 r
    client:
    0x0000 utility_enrollment_group uint8 rwp
    0x0001 start_randomize_minutes uint8 rwp unit=min range=0..60
    0x0002 stop_randomize_minutes uint8 rwp unit=min range=0..60
    0x0003 device_class_value uint16 rwp
    0xfffd cluster_revision uint16 r
"""

_TUNNELING_ROWS = """
    0x0000 close_tunnel_timeout uint16 r unit=s range=1..65535
    0xfffd cluster_revision uint16 r
    client:
    0xfffd cluster_revision uint16 r
"""

_PREPAYMENT_ROWS = """
    0x0000 payment_control_configuration map16 r
    0x0001 credit_remaining int32 rp
    0x0002 emergency_credit_remaining int32 rp
    0x0003 credit_status map8 rp
    0x0004 credit_remaining_timestamp utc r
    0x0005 accumulated_debt int32 rp
    0x0006 overall_debt_cap int32 r
    0x0010 emergency_credit_limit_allowance uint32 r
    0x0011 emergency_credit_threshold uint32 r
    0x0020 total_credit_added uint48 r
    0x0021 max_credit_limit uint32 r
    0x0022 max_credit_per_top_up uint32 r
    0x0030 friendly_credit_warning uint8 r unit=min
    0x0031 low_credit_warning_level uint32 r
    0x0032 ihd_low_credit_warning_level uint32 rw
    0x0033 interrupt_suspend_time uint8 r unit=min
    0x0034 remaining_friendly_credit_time uint16 r unit=min
    0x0035 next_friendly_credit_period utc r
    0x0040 cut_off_value int32 r
    0x0080 token_carrier_id octstr rw
    0x0100 top_up_time_{n} utc r n=1..5 step=16
    0x0101 top_up_amount_{n} int32 r n=1..5 step=16
    0x0102 top_up_originating_device_{n} enum8 r n=1..5 step=16
    0x0103 top_up_code_{n} octstr r n=1..5 step=16
    0x0210 debt_label_{n} octstr r n=1..3 step=16
    0x0211 debt_amount_{n} uint32 r n=1..3 step=16
    0x0212 debt_recovery_method_{n} enum8 r n=1..3 step=16
    0x0213 debt_recovery_start_time_{n} utc r n=1..3 step=16
    0x0214 debt_recovery_collection_time_{n} uint16 r n=1..3 step=16 unit=min range=0..1440
    0x0216 debt_recovery_frequency_{n} enum8 r n=1..3 step=16
    0x0217 debt_recovery_amount_{n} uint32 r n=1..3 step=16
    0x0219 debt_recovery_top_up_percentage_{n} uint16 r n=1..3 step=16 unit=% scale=0.01 range=0..10000
    0x0400 prepayment_alarm_status map16 rw
    0x0401 prepay_generic_alarm_mask map16 rw
    0x0402 prepay_switch_alarm_mask map16 rw
    0x0403 prepay_event_alarm_mask map16 rw
    0x0500 historical_cost_consumption_formatting map8 r
    0x0501 consumption_unit_of_measurement enum8 r
    0x0502 currency_scaling_factor enum8 r
    0x0503 currency uint16 r
    0x051c current_day_cost_consumption_delivered uint48 r
    0x051d current_day_cost_consumption_received uint48 r
    0x051e previous_day_{n}_cost_consumption_delivered uint48 r n=1..8 step=2
    0x051f previous_day_{n}_cost_consumption_received uint48 r n=1..8 step=2
    0x0530 current_week_cost_consumption_delivered uint48 r
    0x0531 current_week_cost_consumption_received uint48 r
    0x0532 previous_week_{n}_cost_consumption_delivered uint48 r n=1..5 step=2
    0x0533 previous_week_{n}_cost_consumption_received uint48 r n=1..5 step=2
    0x0540 current_month_cost_consumption_delivered uint48 r
    0x0541 current_month_cost_consumption_received uint48 r
    0x0542 previous_month_{n}_cost_consumption_delivered uint48 r n=1..13 step=2
    0x0543 previous_month_{n}_cost_consumption_received uint48 r n=1..13 step=2
    0x055c historical_freeze_time uint16 r
    0xfffd cluster_revision uint16 r
"""

_SUITES = "1:cbke_1,2:cbke_2,3:cbke_1_and_2"
"""An enumeration that is used as a bitmap: one bit for each suite."""
_KEY_ESTABLISHMENT_ROWS = f"""
    0x0000 key_establishment_suite enum16 r values={_SUITES}
    0xfffd cluster_revision uint16 r
    client:
    0x0000 key_establishment_suite enum16 r values={_SUITES}
    0xfffd cluster_revision uint16 r
"""

METERING_1_2_ROWS = """
    0x0010 interval_read_reporting_period uint16 r
    0x0011 preset_reading_time uint16 r
    0x0012 volume_per_report uint16 r
    0x0013 flow_restriction uint8 r
    0x0015 current_inlet_energy_carrier_summation uint48 r
    0x0016 current_outlet_energy_carrier_summation uint48 r
    0x0017 inlet_temperature int24 r
    0x0018 outlet_temperature int24 r
    0x0019 control_temperature int24 r
    0x001a current_inlet_energy_carrier_demand int24 r
    0x001b current_outlet_energy_carrier_demand int24 r
    0x001c previous_block_period_consumption_delivered uint48 r
    0x001d current_block_period_consumption_received uint48 r
    0x001e current_block_received enum8 r
    0x001f dft_summation_received uint48 r
    0x0020 active_register_tier_delivered enum8 r
    0x0021 active_register_tier_received enum8 r
    0x0022 last_block_switch_time utc r
    0x01fc cpp_1_summation_delivered uint48 r
    0x01fe cpp_2_summation_delivered uint48 r
    0x0204 extended_status map64 r
    0x0205 remaining_battery_life_in_days uint16 r
    0x0206 current_meter_id octstr r
    0x0207 ambient_consumption_indicator enum8 r
    0x0309 energy_carrier_unit_of_measure enum8 r
    0x030a energy_carrier_summation_formatting map8 r
    0x030b energy_carrier_demand_formatting map8 r
    0x030c temperature_unit_of_measure enum8 r
    0x030d temperature_formatting map8 r
    0x030e module_serial_number octstr r
    0x030f operating_tariff_label_delivered octstr r
    0x0310 operating_tariff_label_received octstr r
    0x0311 customer_id_number octstr r
    0x0312 alternative_unit_of_measure enum8 r
    0x0313 alternative_demand_formatting map8 r
    0x0314 alternative_consumption_formatting map8 r
    0x0409 current_day_max_pressure uint48 r
    0x040a current_day_min_pressure uint48 r
    0x040b previous_day_max_pressure uint48 r
    0x040c previous_day_min_pressure uint48 r
    0x040d current_day_max_demand int24 r
    0x040e previous_day_max_demand int24 r
    0x040f current_month_max_demand int24 r
    0x0410 current_year_max_demand int24 r
    0x0411 current_day_max_energy_carrier_demand int24 r
    0x0412 previous_day_max_energy_carrier_demand int24 r
    0x0413 current_month_max_energy_carrier_demand int24 r
    0x0414 current_month_min_energy_carrier_demand int24 r
    0x0415 current_year_max_energy_carrier_demand int24 r
    0x0416 current_year_min_energy_carrier_demand int24 r
    0x0604 demand_limit_arm_duration uint16 r
    0x0605 load_limit_supply_state enum8 r
    0x0606 load_limit_counter uint8 r
    0x0607 supply_tamper_state enum8 r
    0x0608 supply_depletion_state enum8 r
    0x0609 supply_uncontrolled_flow_state enum8 r
    0x0803 water_specific_alarm_mask map16 rw
    0x0804 heat_and_cooling_specific_alarm_mask map16 rw
    0x0805 gas_specific_alarm_mask map16 rw
    0x0806 extended_generic_alarm_mask map48 rw
    0x0807 manufacturer_alarm_mask map16 rw
    0x0900 current_no_tier_block_{n}_summation_received uint48 r n=1..16
    0x0910 current_tier_{t}_block_{n}_summation_received uint48 r t=1..15 n=1..16
    0x0a04 bill_delivered_trailing_digit map8 r
    0x0a10 bill_to_date_received uint32 r
    0x0a11 bill_to_date_time_stamp_received utc r
    0x0a12 projected_bill_received uint32 r
    0x0a13 projected_bill_time_stamp_received utc r
    0x0a14 bill_received_trailing_digit map8 r
    0x0b00 proposed_change_supply_implementation_time utc r
    0x0b01 proposed_change_supply_status enum8 r
    0x0b10 uncontrolled_flow_threshold uint16 r
    0x0b11 uncontrolled_flow_threshold_unit_of_measure enum8 r
    0x0b12 uncontrolled_flow_threshold_multiplier uint16 r
    0x0b13 uncontrolled_flow_threshold_divisor uint16 r
    0x0b14 flow_stabilization_period uint8 r
    0x0b15 flow_measurement_period uint16 r
    0x0c00 alternative_instantaneous_demand int24 r
    0x0c01 current_day_alternative_consumption_delivered uint24 r
    0x0c02 current_day_alternative_consumption_received uint24 r
    0x0c03 previous_day_alternative_consumption_delivered uint24 r
    0x0c04 previous_day_alternative_consumption_received uint24 r
    0x0c05 current_alternative_partial_profile_interval_start_time_delivered utc r
    0x0c06 current_alternative_partial_profile_interval_start_time_received utc r
    0x0c07 current_alternative_partial_profile_interval_value_delivered uint24 r
    0x0c08 current_alternative_partial_profile_interval_value_received uint24 r
    0x0c09 current_day_alternative_max_pressure uint48 r
    0x0c0a current_day_alternative_min_pressure uint48 r
    0x0c0b previous_day_alternative_max_pressure uint48 r
    0x0c0c previous_day_alternative_min_pressure uint48 r
    0x0c0d current_day_alternative_max_demand int24 r
    0x0c0e previous_day_alternative_max_demand int24 r
    0x0c0f current_month_alternative_max_demand int24 r
    0x0c10 current_year_alternative_max_demand int24 r
    0x0c20 previous_day_{n}_alternative_consumption_delivered uint24 r n=2..7 step=2
    0x0c21 previous_day_{n}_alternative_consumption_received uint24 r n=2..7 step=2
    0x0c30 current_week_alternative_consumption_delivered uint24 r
    0x0c31 current_week_alternative_consumption_received uint24 r
    0x0c32 previous_week_{n}_alternative_consumption_delivered uint24 r n=1..5 step=2
    0x0c33 previous_week_{n}_alternative_consumption_received uint24 r n=1..5 step=2
    0x0c40 current_month_alternative_consumption_delivered uint32 r
    0x0c41 current_month_alternative_consumption_received uint32 r
    0x0c42 previous_month_{n}_alternative_consumption_delivered uint32 r n=1..13 step=2
    0x0c43 previous_month_{n}_alternative_consumption_received uint32 r n=1..13 step=2
    client:
    0x0000 functional_notification_flags map32 r
    0x0001 notification_flags_{n} map32 r n=2..8
"""
"""What 1.2 brings to Metering, behind the rows of 1.1."""

SE_ROWS: Mapping[int, tuple[str, str]] = {
    0x0700: ("price", _PRICE_ROWS),
    0x0701: ("demand_response", _DEMAND_RESPONSE_ROWS),
    0x0703: ("messaging", "0xfffd cluster_revision uint16 r\nclient:\n0xfffd cluster_revision uint16 r"),
    0x0704: ("tunneling", _TUNNELING_ROWS),
    0x0705: ("prepayment", _PREPAYMENT_ROWS),
    0x0800: ("key_establishment", _KEY_ESTABLISHMENT_ROWS),
}
"""Name and rows of a cluster, by its id."""
