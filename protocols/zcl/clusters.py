# ruff: noqa: E501 - a table: one row, one line
"""The clusters that a home-energy hub meets, as rows (ZCL8; Smart Energy profile 1.1b for 0x0702, 0x0B01; Xiaomi's own).

Those of Smart Energy beside Metering are in `se_rows`.

`cluster(id)` reads a cluster's rows once; names of clusters that have no rows here are in `OTHER_NAMES`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache

from protocols.errors import RangeError
from protocols.zcl.definition import AttributeDef, ClusterDef, read_rows
from protocols.zcl.se_rows import METERING_1_2_ROWS, SE_ROWS

BASIC, POWER_CONFIGURATION, DEVICE_TEMPERATURE, IDENTIFY = 0x0000, 0x0001, 0x0002, 0x0003
GROUPS, SCENES, ON_OFF, ON_OFF_SWITCH_CONFIGURATION, LEVEL, ALARMS, TIME = 0x0004, 0x0005, 0x0006, 0x0007, 8, 9, 0x000A
ANALOG_INPUT, MULTISTATE_INPUT, OTA, POLL_CONTROL = 0x000C, 0x0012, 0x0019, 0x0020
THERMOSTAT, FAN, THERMOSTAT_UI = 0x0201, 0x0202, 0x0204
ILLUMINANCE, TEMPERATURE, PRESSURE, HUMIDITY, OCCUPANCY = 0x0400, 0x0402, 0x0403, 0x0405, 0x0406
IAS_ZONE = 0x0500
PRICE, DEMAND_RESPONSE, METERING, MESSAGING, KEY_ESTABLISHMENT = 0x0700, 0x0701, 0x0702, 0x0703, 0x0800
METER_IDENTIFICATION, ELECTRICAL_MEASUREMENT, DIAGNOSTICS = 0x0B01, 0x0B04, 0x0B05
XIAOMI = 0x115F
"""Manufacturer code of LUMI (Xiaomi, Aqara)."""

_POWER_SOURCES = (
    "0:unknown,1:mains_single_phase,2:mains_three_phase,3:battery,4:dc,5:emergency_mains_always,"
    "6:emergency_mains_and_transfer,0x81:mains_single_phase_with_battery,0x82:mains_three_phase_with_battery,"
    "0x83:battery_with_battery,0x84:dc_with_battery"
)
_SIZES = "0:no_battery,1:built_in,2:other,3:aa,4:aaa,5:c,6:d,7:cr2,8:cr123a,255:unknown"
_MODES = "0:off,1:auto,3:cool,4:heat,5:emergency_heating,6:precooling,7:fan_only,8:dry,9:sleep"
_UNITS = (
    "0:kWh,1:m3,2:ft3,3:ccf,4:us_gallon,5:imperial_gallon,6:btu,7:litre,8:kPa_gauge,9:kPa_absolute,10:mcf,11:unitless,"
    "12:MJ,13:kVArh,0x80:kWh_bcd,0x81:m3_bcd,0x82:ft3_bcd,0x83:ccf_bcd,0x84:us_gallon_bcd,0x85:imperial_gallon_bcd,"
    "0x86:btu_bcd,0x87:litre_bcd,0x88:kPa_gauge_bcd,0x89:kPa_absolute_bcd,0x8a:mcf_bcd,0x8b:unitless_bcd,0x8c:MJ_bcd,"
    "0x8d:kVArh_bcd"
)
_METERS = (
    "0:electric,1:gas,2:water,3:thermal,4:pressure,5:heat,6:cooling,7:end_use,8:pv_generation,9:wind_generation,"
    "10:water_generation,11:micro_generation,12:solar_hot_water,13:electric_phase_1,14:electric_phase_2,"
    "15:electric_phase_3,127:mirrored_electric,128:mirrored_gas,129:mirrored_water,130:mirrored_thermal,"
    "131:mirrored_pressure,132:mirrored_heat,133:mirrored_cooling,134:mirrored_end_use,135:mirrored_pv_generation,"
    "136:mirrored_wind_generation"
)

_ROWS: Mapping[int, tuple[str, str]] = {
    BASIC: (
        "basic",
        f"""
        0x0000 zcl_version uint8 r
        0x0001 application_version uint8 r
        0x0002 stack_version uint8 r
        0x0003 hw_version uint8 r
        0x0004 manufacturer_name string r
        0x0005 model_identifier string r
        0x0006 date_code string r
        0x0007 power_source enum8 r values={_POWER_SOURCES}
        0x0008 generic_device_class enum8 r
        0x0009 generic_device_type enum8 r
        0x000a product_code octstr r
        0x000b product_url string r
        0x000c manufacturer_version_details string r
        0x000d serial_number string r
        0x000e product_label string r
        0x0010 location_description string rw
        0x0011 physical_environment enum8 rw
        0x0012 device_enabled bool rw
        0x0013 alarm_mask map8 rw bits=0:hardware,1:software
        0x0014 disable_local_config map8 rw bits=0:reset,1:configuration
        0x4000 sw_build_id string r
        0xfffd cluster_revision uint16 r
        0xff01 xiaomi_attributes string rp mfr=115f
        0xff02 xiaomi_structure struct rp mfr=115f
        0xfff0 xiaomi_f0 octstr rw mfr=115f
        > 0x00 reset_to_factory_defaults
        """,
    ),
    POWER_CONFIGURATION: (
        "power_configuration",
        f"""
        0x0000 mains_voltage uint16 rp unit=V scale=0.1
        0x0001 mains_frequency uint8 rp unit=Hz scale=0.5
        0x0010 mains_alarm_mask map8 rw bits=0:too_low,1:too_high,2:power_lost
        0x0011 mains_voltage_min_threshold uint16 rw unit=V scale=0.1
        0x0012 mains_voltage_max_threshold uint16 rw unit=V scale=0.1
        0x0013 mains_voltage_dwell_trip_point uint16 rw unit=s
        0x0020 battery_voltage uint8 rp unit=V scale=0.1
        0x0021 battery_percentage_remaining uint8 rp unit=% scale=0.5
        0x0030 battery_manufacturer string rw
        0x0031 battery_size enum8 rw values={_SIZES}
        0x0032 battery_a_hr_rating uint16 rw unit=mAh scale=10
        0x0033 battery_quantity uint8 rw
        0x0034 battery_rated_voltage uint8 rw unit=V scale=0.1
        0x0035 battery_alarm_mask map8 rw bits=0:too_low
        0x0036 battery_voltage_min_threshold uint8 rw unit=V scale=0.1
        0x0037 battery_voltage_threshold_1 uint8 rw unit=V scale=0.1
        0x0038 battery_voltage_threshold_2 uint8 rw unit=V scale=0.1
        0x0039 battery_voltage_threshold_3 uint8 rw unit=V scale=0.1
        0x003a battery_percentage_min_threshold uint8 rw unit=% scale=0.5
        0x003b battery_percentage_threshold_1 uint8 rw unit=% scale=0.5
        0x003c battery_percentage_threshold_2 uint8 rw unit=% scale=0.5
        0x003d battery_percentage_threshold_3 uint8 rw unit=% scale=0.5
        0x003e battery_alarm_state map32 rp
        0xfffd cluster_revision uint16 r
        """,
    ),
    DEVICE_TEMPERATURE: (
        "device_temperature",
        """
        0x0000 current_temperature int16 rp unit=°C
        0x0001 min_temp_experienced int16 r unit=°C
        0x0002 max_temp_experienced int16 r unit=°C
        0x0003 over_temp_total_dwell uint16 r unit=h
        0x0010 device_temp_alarm_mask map8 rw bits=0:too_low,1:too_high
        0x0011 low_temp_threshold int16 rw unit=°C
        0x0012 high_temp_threshold int16 rw unit=°C
        0x0013 low_temp_dwell_trip_point uint24 rw unit=s
        0x0014 high_temp_dwell_trip_point uint24 rw unit=s
        """,
    ),
    IDENTIFY: (
        "identify",
        """
        0x0000 identify_time uint16 rw unit=s
        0xfffd cluster_revision uint16 r
        > 0x00 identify identify_time:uint16
        > 0x01 identify_query
        > 0x40 trigger_effect effect_id:enum8 effect_variant:enum8
        < 0x00 identify_query_response timeout:uint16
        """,
    ),
    GROUPS: (
        "groups",
        """
        0x0000 name_support map8 r bits=7:supported
        0xfffd cluster_revision uint16 r
        > 0x00 add_group group:uint16 name:string
        > 0x01 view_group group:uint16
        > 0x02 get_group_membership groups:list_uint16
        > 0x03 remove_group group:uint16
        > 0x04 remove_all_groups
        > 0x05 add_group_if_identifying group:uint16 name:string
        < 0x00 add_group_response status:enum8 group:uint16
        < 0x01 view_group_response status:enum8 group:uint16 name:string
        < 0x02 get_group_membership_response capacity:uint8 groups:list_uint16
        < 0x03 remove_group_response status:enum8 group:uint16
        """,
    ),
    SCENES: (
        "scenes",
        """
        0x0000 scene_count uint8 r
        0x0001 current_scene uint8 r
        0x0002 current_group uint16 r
        0x0003 scene_valid bool r
        0x0004 name_support map8 r bits=7:supported
        0x0005 last_configured_by eui64 r
        0xfffd cluster_revision uint16 r
        > 0x00 add_scene group:uint16 scene:uint8 transition_time:uint16 name:string extensions:rest
        > 0x01 view_scene group:uint16 scene:uint8
        > 0x02 remove_scene group:uint16 scene:uint8
        > 0x03 remove_all_scenes group:uint16
        > 0x04 store_scene group:uint16 scene:uint8
        > 0x05 recall_scene group:uint16 scene:uint8 transition_time?:uint16
        > 0x06 get_scene_membership group:uint16
        > 0x40 enhanced_add_scene group:uint16 scene:uint8 transition_time:uint16 name:string extensions:rest
        > 0x41 enhanced_view_scene group:uint16 scene:uint8
        > 0x42 copy_scene mode:map8 from_group:uint16 from_scene:uint8 to_group:uint16 to_scene:uint8
        < 0x00 add_scene_response status:enum8 group:uint16 scene:uint8
        < 0x01 view_scene_response status:enum8 group:uint16 scene:uint8 rest:rest
        < 0x02 remove_scene_response status:enum8 group:uint16 scene:uint8
        < 0x03 remove_all_scenes_response status:enum8 group:uint16
        < 0x04 store_scene_response status:enum8 group:uint16 scene:uint8
        < 0x06 get_scene_membership_response status:enum8 capacity:uint8 group:uint16 scenes?:list_uint8
        """,
    ),
    ON_OFF: (
        "on_off",
        """
        0x0000 on_off bool rps
        0x4000 global_scene_control bool r
        0x4001 on_time uint16 rw unit=s scale=0.1
        0x4002 off_wait_time uint16 rw unit=s scale=0.1
        0x4003 start_up_on_off enum8 rw values=0:off,1:on,2:toggle,255:previous
        0xfffd cluster_revision uint16 r
        > 0x00 off
        > 0x01 on
        > 0x02 toggle
        > 0x40 off_with_effect effect_id:enum8 effect_variant:enum8
        > 0x41 on_with_recall_global_scene
        > 0x42 on_with_timed_off on_off_control:map8 on_time:uint16 off_wait_time:uint16
        """,
    ),
    ON_OFF_SWITCH_CONFIGURATION: (
        "on_off_switch_configuration",
        """
        0x0000 switch_type enum8 r values=0:toggle,1:momentary,2:multifunction
        0x0010 switch_actions enum8 rw values=0:on_off,1:off_on,2:toggle
        """,
    ),
    LEVEL: (
        "level",
        """
        0x0000 current_level uint8 rps range=0..254
        0x0001 remaining_time uint16 r unit=s scale=0.1
        0x0002 min_level uint8 r
        0x0003 max_level uint8 r
        0x0004 current_frequency uint16 rps
        0x0005 min_frequency uint16 r
        0x0006 max_frequency uint16 r
        0x000f options map8 rw bits=0:execute_if_off,1:couple_colour_temperature
        0x0010 on_off_transition_time uint16 rw unit=s scale=0.1
        0x0011 on_level uint8 rw
        0x0012 on_transition_time uint16 rw unit=s scale=0.1
        0x0013 off_transition_time uint16 rw unit=s scale=0.1
        0x0014 default_move_rate uint8 rw
        0x4000 start_up_current_level uint8 rw
        0xfffd cluster_revision uint16 r
        > 0x00 move_to_level level:uint8 transition_time:uint16 options_mask?:map8 options_override?:map8
        > 0x01 move mode:enum8 rate:uint8 options_mask?:map8 options_override?:map8
        > 0x02 step mode:enum8 size:uint8 transition_time:uint16 options_mask?:map8 options_override?:map8
        > 0x03 stop options_mask?:map8 options_override?:map8
        > 0x04 move_to_level_with_on_off level:uint8 transition_time:uint16 options_mask?:map8 options_override?:map8
        > 0x05 move_with_on_off mode:enum8 rate:uint8 options_mask?:map8 options_override?:map8
        > 0x06 step_with_on_off mode:enum8 size:uint8 transition_time:uint16 options_mask?:map8 options_override?:map8
        > 0x07 stop_with_on_off options_mask?:map8 options_override?:map8
        """,
    ),
    ALARMS: (
        "alarms",
        """
        0x0000 alarm_count uint16 r
        0xfffd cluster_revision uint16 r
        > 0x00 reset_alarm alarm:enum8 cluster:cluster_id
        > 0x01 reset_all_alarms
        > 0x02 get_alarm
        > 0x03 reset_alarm_log
        < 0x00 alarm alarm:enum8 cluster:cluster_id
        < 0x01 get_alarm_response status:enum8 alarm?:enum8 cluster?:cluster_id time?:utc
        """,
    ),
    TIME: (
        "time",
        """
        0x0000 time utc rw
        0x0001 time_status map8 rw bits=0:master,1:synchronized,2:master_zone_dst,3:superseding
        0x0002 time_zone int32 rw unit=s range=-86400..86400
        0x0003 dst_start uint32 rw
        0x0004 dst_end uint32 rw
        0x0005 dst_shift int32 rw unit=s range=-86400..86400
        0x0006 standard_time uint32 r
        0x0007 local_time uint32 r
        0x0008 last_set_time utc r
        0x0009 valid_until_time utc rw
        0xfffd cluster_revision uint16 r
        """,
    ),
    ANALOG_INPUT: (
        "analog_input",
        """
        0x001c description string rw
        0x0041 max_present_value single rw
        0x0045 min_present_value single rw
        0x0051 out_of_service bool rw
        0x0055 present_value single rwp
        0x0067 reliability enum8 rw
        0x006a resolution single rw
        0x006f status_flags map8 rp bits=0:in_alarm,1:fault,2:overridden,3:out_of_service
        0x0075 engineering_units enum16 rw
        0x0100 application_type uint32 r
        0xff05 xiaomi_rotation uint16 rp mfr=115f
        """,
    ),
    MULTISTATE_INPUT: (
        "multistate_input",
        """
        0x000e state_text array rw
        0x001c description string rw
        0x004a number_of_states uint16 rw
        0x0051 out_of_service bool rw
        0x0055 present_value uint16 rwp
        0x0067 reliability enum8 rw
        0x006f status_flags map8 rp bits=0:in_alarm,1:fault,2:overridden,3:out_of_service
        0x0100 application_type uint32 r
        """,
    ),
    OTA: (
        "ota",
        """
        client:
        0x0000 upgrade_server_id eui64 r
        0x0001 file_offset uint32 r
        0x0002 current_file_version uint32 r
        0x0003 current_zigbee_stack_version uint16 r
        0x0004 downloaded_file_version uint32 r
        0x0005 downloaded_zigbee_stack_version uint16 r
        0x0006 image_upgrade_status enum8 r values=0:normal,1:downloading,2:complete,3:waiting,4:counting_down,5:wait_more
        0x0007 manufacturer_id uint16 r
        0x0008 image_type_id uint16 r
        0x0009 minimum_block_period uint16 r unit=ms
        0x000a image_stamp uint32 r
        > 0x01 query_next_image field_control:map8 manufacturer:uint16 type:uint16 version:uint32 hardware?:uint16
        > 0x03 image_block rest:rest
        > 0x04 image_page rest:rest
        > 0x06 upgrade_end status:enum8 manufacturer:uint16 type:uint16 version:uint32
        > 0x08 query_device_specific_file rest:rest
        < 0x00 image_notify payload_type:enum8 query_jitter:uint8 manufacturer?:uint16 type?:uint16 version?:uint32
        < 0x02 query_next_image_response status:enum8 manufacturer?:uint16 type?:uint16 version?:uint32 size?:uint32
        < 0x05 image_block_response rest:rest
        < 0x07 upgrade_end_response manufacturer:uint16 type:uint16 version:uint32 current_time:utc upgrade_time:utc
        < 0x09 query_device_specific_file_response rest:rest
        """,
    ),
    POLL_CONTROL: (
        "poll_control",
        """
        0x0000 check_in_interval uint32 rw unit=s scale=0.25
        0x0001 long_poll_interval uint32 r unit=s scale=0.25
        0x0002 short_poll_interval uint16 r unit=s scale=0.25
        0x0003 fast_poll_timeout uint16 rw unit=s scale=0.25
        0x0004 check_in_interval_min uint32 r unit=s scale=0.25
        0x0005 long_poll_interval_min uint32 r unit=s scale=0.25
        0x0006 fast_poll_timeout_max uint16 r unit=s scale=0.25
        0xfffd cluster_revision uint16 r
        > 0x00 check_in_response start_fast_polling:bool fast_poll_timeout:uint16
        > 0x01 fast_poll_stop
        > 0x02 set_long_poll_interval new_long_poll_interval:uint32
        > 0x03 set_short_poll_interval new_short_poll_interval:uint16
        < 0x00 check_in
        """,
    ),
    THERMOSTAT: (
        "thermostat",
        f"""
        0x0000 local_temperature int16 rp unit=°C scale=0.01
        0x0001 outdoor_temperature int16 r unit=°C scale=0.01
        0x0002 occupancy map8 r bits=0:occupied
        0x0003 abs_min_heat_setpoint_limit int16 r unit=°C scale=0.01
        0x0004 abs_max_heat_setpoint_limit int16 r unit=°C scale=0.01
        0x0005 abs_min_cool_setpoint_limit int16 r unit=°C scale=0.01
        0x0006 abs_max_cool_setpoint_limit int16 r unit=°C scale=0.01
        0x0007 pi_cooling_demand uint8 rp unit=% range=0..100
        0x0008 pi_heating_demand uint8 rp unit=% range=0..100
        0x0009 hvac_system_type_configuration map8 rw
        0x0010 local_temperature_calibration int8 rw unit=°C scale=0.1
        0x0011 occupied_cooling_setpoint int16 rwps unit=°C scale=0.01
        0x0012 occupied_heating_setpoint int16 rwps unit=°C scale=0.01
        0x0013 unoccupied_cooling_setpoint int16 rw unit=°C scale=0.01
        0x0014 unoccupied_heating_setpoint int16 rw unit=°C scale=0.01
        0x0015 min_heat_setpoint_limit int16 rw unit=°C scale=0.01
        0x0016 max_heat_setpoint_limit int16 rw unit=°C scale=0.01
        0x0017 min_cool_setpoint_limit int16 rw unit=°C scale=0.01
        0x0018 max_cool_setpoint_limit int16 rw unit=°C scale=0.01
        0x0019 min_setpoint_dead_band int8 rw unit=°C scale=0.1
        0x001a remote_sensing map8 rw bits=0:local,1:outdoor,2:occupancy
        0x001b control_sequence_of_operation enum8 rw values=0:cool,1:cool_reheat,2:heat,3:heat_reheat,4:both,5:both_reheat
        0x001c system_mode enum8 rws values={_MODES}
        0x001d alarm_mask map8 r bits=0:initialisation,1:hardware,2:self_calibration
        0x001e running_mode enum8 r values=0:off,3:cool,4:heat
        0x0020 start_of_week enum8 r
        0x0021 number_of_weekly_transitions uint8 r
        0x0022 number_of_daily_transitions uint8 r
        0x0023 temperature_setpoint_hold enum8 rw values=0:off,1:on
        0x0024 temperature_setpoint_hold_duration uint16 rw unit=min
        0x0025 programming_operation_mode map8 rwp bits=0:schedule,1:auto_recovery,2:economy
        0x0029 running_state map16 rp bits=0:heat,1:cool,2:fan,3:heat_2,4:cool_2,5:fan_2,6:fan_3
        0x0030 setpoint_change_source enum8 r values=0:manual,1:schedule,2:external
        0x0031 setpoint_change_amount int16 r unit=°C scale=0.01
        0x0032 setpoint_change_source_timestamp utc r
        0x0040 ac_type enum8 rw
        0x0041 ac_capacity uint16 rw
        0x0042 ac_refrigerant_type enum8 rw
        0x0043 ac_compressor_type enum8 rw
        0x0044 ac_error_code map32 rw
        0x0045 ac_louver_position enum8 rw
        0x0046 ac_coil_temperature int16 r unit=°C scale=0.01
        0x0047 ac_capacity_format enum8 rw
        0xfffd cluster_revision uint16 r
        > 0x00 setpoint_raise_lower mode:enum8 amount:int8
        > 0x01 set_weekly_schedule rest:rest
        > 0x02 get_weekly_schedule days:map8 mode:map8
        > 0x03 clear_weekly_schedule
        > 0x04 get_relay_status_log
        < 0x00 get_weekly_schedule_response rest:rest
        < 0x01 get_relay_status_log_response rest:rest
        """,
    ),
    FAN: (
        "fan",
        """
        0x0000 fan_mode enum8 rw values=0:off,1:low,2:medium,3:high,4:on,5:auto,6:smart
        0x0001 fan_mode_sequence enum8 rw values=0:low_med_high,1:low_high,2:low_med_high_auto,3:low_high_auto,4:on_auto
        0xfffd cluster_revision uint16 r
        """,
    ),
    THERMOSTAT_UI: (
        "thermostat_ui",
        """
        0x0000 temperature_display_mode enum8 rw values=0:celsius,1:fahrenheit
        0x0001 keypad_lockout enum8 rw values=0:none,1:level_1,2:level_2,3:level_3,4:level_4,5:level_5
        0x0002 schedule_programming_visibility enum8 rw values=0:enabled,1:disabled
        0xfffd cluster_revision uint16 r
        """,
    ),
    ILLUMINANCE: (
        "illuminance",
        """
        0x0000 measured_value uint16 rp
        0x0001 min_measured_value uint16 r
        0x0002 max_measured_value uint16 r
        0x0003 tolerance uint16 r
        0x0004 light_sensor_type enum8 r values=0:photodiode,1:cmos,255:unknown
        0xfffd cluster_revision uint16 r
        """,
    ),
    TEMPERATURE: (
        "temperature",
        """
        0x0000 measured_value int16 rp unit=°C scale=0.01
        0x0001 min_measured_value int16 r unit=°C scale=0.01
        0x0002 max_measured_value int16 r unit=°C scale=0.01
        0x0003 tolerance uint16 rp unit=°C scale=0.01
        0xfffd cluster_revision uint16 r
        """,
    ),
    PRESSURE: (
        "pressure",
        """
        0x0000 measured_value int16 rp unit=hPa
        0x0001 min_measured_value int16 r unit=hPa
        0x0002 max_measured_value int16 r unit=hPa
        0x0003 tolerance uint16 rp unit=hPa
        0x0010 scaled_value int16 rp
        0x0014 scale int8 r
        """,
    ),
    HUMIDITY: (
        "humidity",
        """
        0x0000 measured_value uint16 rp unit=% scale=0.01
        0x0001 min_measured_value uint16 r unit=% scale=0.01
        0x0002 max_measured_value uint16 r unit=% scale=0.01
        0x0003 tolerance uint16 rp unit=% scale=0.01
        0xfffd cluster_revision uint16 r
        """,
    ),
    OCCUPANCY: (
        "occupancy",
        """
        0x0000 occupancy map8 rp bits=0:occupied
        0x0001 occupancy_sensor_type enum8 r values=0:pir,1:ultrasonic,2:pir_and_ultrasonic,3:contact
        0x0002 occupancy_sensor_type_bitmap map8 r bits=0:pir,1:ultrasonic,2:contact
        0x0010 pir_occupied_to_unoccupied_delay uint16 rw unit=s
        0x0011 pir_unoccupied_to_occupied_delay uint16 rw unit=s
        0x0012 pir_unoccupied_to_occupied_threshold uint8 rw
        0x0020 ultrasonic_occupied_to_unoccupied_delay uint16 rw unit=s
        0x0021 ultrasonic_unoccupied_to_occupied_delay uint16 rw unit=s
        0x0022 ultrasonic_unoccupied_to_occupied_threshold uint8 rw
        0xfffd cluster_revision uint16 r
        """,
    ),
    IAS_ZONE: (
        "ias_zone",
        """
        0x0000 zone_state enum8 r values=0:not_enrolled,1:enrolled
        0x0001 zone_type enum16 r values=0:standard_cie,13:motion,21:contact,40:fire,42:water,43:carbon_monoxide,45:vibration
        0x0002 zone_status map16 r bits=0:alarm_1,1:alarm_2,2:tamper,3:battery_low,6:trouble,7:mains_fault,8:test
        0x0010 ias_cie_address eui64 rw
        0x0011 zone_id uint8 r
        0x0012 number_of_zone_sensitivity_levels uint8 r
        0x0013 current_zone_sensitivity_level uint8 rw
        0xfffd cluster_revision uint16 r
        > 0x00 zone_enroll_response code:enum8 zone:uint8
        > 0x01 initiate_normal_operation_mode
        > 0x02 initiate_test_mode duration:uint8 sensitivity:uint8
        < 0x00 zone_status_change_notification zone_status:map16 extended_status:map8 zone?:uint8 delay?:uint16
        < 0x01 zone_enroll_request zone_type:enum16 manufacturer:uint16
        """,
    ),
    METERING: (
        "metering",
        f"""
        0x0000 current_summation_delivered uint48 rp
        0x0001 current_summation_received uint48 rp
        0x0002 current_max_demand_delivered uint48 rp
        0x0003 current_max_demand_received uint48 rp
        0x0004 dft_summation uint48 r
        0x0005 daily_freeze_time uint16 r
        0x0006 power_factor int8 rp unit=%
        0x0007 reading_snapshot_time utc r
        0x0008 current_max_demand_delivered_time utc r
        0x0009 current_max_demand_received_time utc r
        0x000a default_update_period uint8 r unit=s
        0x000b fast_poll_update_period uint8 r unit=s
        0x000c current_block_period_consumption_delivered uint48 rp
        0x000d daily_consumption_target uint24 r
        0x000e current_block enum8 r
        0x000f profile_interval_period enum8 r values=0:daily,1:60_min,2:30_min,3:15_min,4:10_min,5:7.5_min,6:5_min,7:2.5_min,8:1_min
        0x0014 supply_status enum8 rp values=0:off,1:armed,2:on
        0x0100 current_tier_{{n}}_summation_delivered uint48 rp n=1..48 step=2
        0x0101 current_tier_{{n}}_summation_received uint48 rp n=1..48 step=2
        0x0200 status map8 rp bits=0:check_meter,1:low_battery,2:tamper,3:power_failure,4:power_quality,5:leak,6:disconnected
        0x0201 remaining_battery_life uint8 rp unit=%
        0x0202 hours_in_operation uint24 r unit=h
        0x0203 hours_in_fault uint24 r unit=h
        0x0300 unit_of_measure enum8 r values={_UNITS}
        0x0301 multiplier uint24 r
        0x0302 divisor uint24 r
        0x0303 summation_formatting map8 r
        0x0304 demand_formatting map8 r
        0x0305 historical_consumption_formatting map8 r
        0x0306 metering_device_type map8 r values={_METERS}
        0x0307 site_id octstr r
        0x0308 meter_serial_number octstr r
        0x0400 instantaneous_demand int24 rp
        0x0401 current_day_consumption_delivered uint24 rp
        0x0402 current_day_consumption_received uint24 rp
        0x0403 previous_day_consumption_delivered uint24 r
        0x0404 previous_day_consumption_received uint24 r
        0x0405 current_partial_profile_interval_start_time_delivered utc r
        0x0406 current_partial_profile_interval_start_time_received utc r
        0x0407 current_partial_profile_interval_value_delivered uint24 r
        0x0408 current_partial_profile_interval_value_received uint24 r
        0x0420 previous_day_{{n}}_consumption_delivered uint24 r n=2..8 step=2
        0x0421 previous_day_{{n}}_consumption_received uint24 r n=2..8 step=2
        0x0430 current_week_consumption_delivered uint24 r
        0x0431 current_week_consumption_received uint24 r
        0x0432 previous_week_{{n}}_consumption_delivered uint24 r n=1..5 step=2
        0x0433 previous_week_{{n}}_consumption_received uint24 r n=1..5 step=2
        0x0440 current_month_consumption_delivered uint32 r
        0x0441 current_month_consumption_received uint32 r
        0x0442 previous_month_{{n}}_consumption_delivered uint32 r n=1..13 step=2
        0x0443 previous_month_{{n}}_consumption_received uint32 r n=1..13 step=2
        0x045c historical_freeze_time uint16 r
        0x0500 max_number_of_periods_delivered uint8 r
        0x0600 current_demand_delivered uint24 rp
        0x0601 demand_limit uint24 r
        0x0602 demand_integration_period uint8 r unit=min
        0x0603 number_of_demand_subintervals uint8 r
        0x0700 current_no_tier_block_{{n}}_summation_delivered uint48 r n=1..16
        0x0710 current_tier_{{t}}_block_{{n}}_summation_delivered uint48 r t=1..15 n=1..16
        0x0800 generic_alarm_mask map16 rw
        0x0801 electricity_alarm_mask map32 rw
        0x0802 generic_flow_pressure_alarm_mask map16 rw
        0x0a00 bill_to_date_delivered uint32 r
        0x0a01 bill_to_date_time_stamp_delivered utc r
        0x0a02 projected_bill_delivered uint32 r
        0x0a03 projected_bill_time_stamp_delivered utc r
        0xfffd cluster_revision uint16 r
        > 0x00 get_profile interval_channel:enum8 end_time:utc number_of_periods:uint8
        > 0x01 request_mirror_response endpoint:uint16
        > 0x02 mirror_removed endpoint:uint16
        > 0x03 request_fast_poll_mode update_period:uint8 duration:uint8
        < 0x00 get_profile_response end_time:utc status:enum8 interval_period:enum8 intervals:list_uint24
        < 0x01 request_mirror
        < 0x02 remove_mirror
        < 0x03 request_fast_poll_mode_response update_period:uint8 end_time:utc
        {METERING_1_2_ROWS}""",
    ),
    METER_IDENTIFICATION: (
        "meter_identification",
        """
        0x0000 company_name string r
        0x0001 meter_type_id uint16 r
        0x0004 data_quality_id uint16 r
        0x0005 customer_name string rw
        0x0006 model octstr r
        0x0007 part_number octstr r
        0x0008 product_revision octstr r
        0x000a software_revision octstr r
        0x000b utility_name string r
        0x000c pod string r
        0x000d available_power int24 r
        0x000e power_threshold int24 r
        0xfffd cluster_revision uint16 r
        """,
    ),
    ELECTRICAL_MEASUREMENT: (
        "electrical_measurement",
        """
        0x0000 measurement_type map32 r bits=0:active,1:reactive,2:apparent,3:phase_a,4:phase_b,5:phase_c,6:dc
        0x0100 dc_voltage int16 rp
        0x0103 dc_current int16 rp
        0x0106 dc_power int16 rp
        0x0200 dc_voltage_multiplier uint16 r
        0x0201 dc_voltage_divisor uint16 r
        0x0202 dc_current_multiplier uint16 r
        0x0203 dc_current_divisor uint16 r
        0x0204 dc_power_multiplier uint16 r
        0x0205 dc_power_divisor uint16 r
        0x0300 ac_frequency uint16 rp
        0x0301 ac_frequency_min uint16 r
        0x0302 ac_frequency_max uint16 r
        0x0303 neutral_current uint16 rp
        0x0304 total_active_power int32 rp
        0x0305 total_reactive_power int32 rp
        0x0306 total_apparent_power uint32 rp
        0x0400 ac_frequency_multiplier uint16 r
        0x0401 ac_frequency_divisor uint16 r
        0x0402 power_multiplier uint32 r
        0x0403 power_divisor uint32 r
        0x0404 harmonic_current_multiplier int8 r
        0x0405 phase_harmonic_current_multiplier int8 r
        0x0501 line_current uint16 rp
        0x0502 active_current int16 rp
        0x0503 reactive_current int16 rp
        0x0505 rms_voltage uint16 rp
        0x0506 rms_voltage_min uint16 r
        0x0507 rms_voltage_max uint16 r
        0x0508 rms_current uint16 rp
        0x0509 rms_current_min uint16 r
        0x050a rms_current_max uint16 r
        0x050b active_power int16 rp
        0x050c active_power_min int16 r
        0x050d active_power_max int16 r
        0x050e reactive_power int16 rp
        0x050f apparent_power uint16 rp
        0x0510 power_factor int8 rp unit=%
        0x0600 ac_voltage_multiplier uint16 r
        0x0601 ac_voltage_divisor uint16 r
        0x0602 ac_current_multiplier uint16 r
        0x0603 ac_current_divisor uint16 r
        0x0604 ac_power_multiplier uint16 r
        0x0605 ac_power_divisor uint16 r
        0x0800 ac_alarms_mask map16 rw
        0x0905 rms_voltage_phase_b uint16 rp
        0x0908 rms_current_phase_b uint16 rp
        0x090b active_power_phase_b int16 rp
        0x090e reactive_power_phase_b int16 rp
        0x090f apparent_power_phase_b uint16 rp
        0x0910 power_factor_phase_b int8 rp unit=%
        0x0a05 rms_voltage_phase_c uint16 rp
        0x0a08 rms_current_phase_c uint16 rp
        0x0a0b active_power_phase_c int16 rp
        0x0a0e reactive_power_phase_c int16 rp
        0x0a0f apparent_power_phase_c uint16 rp
        0x0a10 power_factor_phase_c int8 rp unit=%
        0xfffd cluster_revision uint16 r
        > 0x00 get_profile_info
        > 0x01 get_measurement_profile attribute:attribute_id start_time:utc intervals:uint8
        < 0x00 get_profile_info_response rest:rest
        < 0x01 get_measurement_profile_response rest:rest
        """,
    ),
    DIAGNOSTICS: (
        "diagnostics",
        """
        0x0000 number_of_resets uint16 r
        0x0001 persistent_memory_writes uint16 r
        0x0100 mac_rx_bcast uint32 r
        0x0101 mac_tx_bcast uint32 r
        0x0102 mac_rx_ucast uint32 r
        0x0103 mac_tx_ucast uint32 r
        0x0104 mac_tx_ucast_retry uint16 r
        0x0105 mac_tx_ucast_fail uint16 r
        0x0106 aps_rx_bcast uint16 r
        0x0107 aps_tx_bcast uint16 r
        0x0108 aps_rx_ucast uint16 r
        0x0109 aps_tx_ucast_success uint16 r
        0x010a aps_tx_ucast_retry uint16 r
        0x010b aps_tx_ucast_fail uint16 r
        0x010c route_disc_initiated uint16 r
        0x010d neighbor_added uint16 r
        0x010e neighbor_removed uint16 r
        0x010f neighbor_stale uint16 r
        0x0110 join_indication uint16 r
        0x0111 child_moved uint16 r
        0x0112 nwk_fc_failure uint16 r
        0x0113 aps_fc_failure uint16 r
        0x0114 aps_unauthorized_key uint16 r
        0x0115 nwk_decrypt_failures uint16 r
        0x0116 aps_decrypt_failures uint16 r
        0x0117 packet_buffer_allocate_failures uint16 r
        0x0118 relayed_ucast uint16 r
        0x0119 phy_to_mac_queue_limit_reached uint16 r
        0x011a packet_validate_drop_count uint16 r
        0x011b average_mac_retry_per_aps_message_sent uint16 r
        0x011c last_message_lqi uint8 r
        0x011d last_message_rssi int8 r unit=dBm
        0xfffd cluster_revision uint16 r
        """,
    ),
    **SE_ROWS,
}

OTHER_NAMES: Mapping[int, str] = {
    0x000B: "rssi_location", 0x000D: "analog_output", 0x000E: "analog_value", 0x000F: "binary_input",
    0x0010: "binary_output", 0x0011: "binary_value", 0x0013: "multistate_output", 0x0014: "multistate_value",
    0x0015: "commissioning", 0x0016: "partition", 0x001A: "power_profile", 0x001B: "appliance_control",
    0x001C: "pulse_width_modulation", 0x0021: "green_power", 0x0022: "mobile_device_configuration",
    0x0023: "neighbor_cleaning", 0x0024: "nearest_gateway", 0x0025: "keep_alive", 0x0100: "shade_configuration",
    0x0101: "door_lock", 0x0102: "window_covering", 0x0103: "barrier_control", 0x0200: "pump_configuration",
    0x0203: "dehumidification", 0x0300: "colour", 0x0301: "ballast_configuration", 0x0401: "illuminance_level",
    0x0404: "flow", 0x0407: "leaf_wetness", 0x0408: "soil_moisture", 0x0409: "ph", 0x040A: "conductivity",
    0x040B: "wind_speed", 0x040C: "carbon_monoxide", 0x040D: "carbon_dioxide", 0x042A: "pm25", 0x0501: "ias_ace",
    0x0502: "ias_warning", 0x0600: "generic_tunnel", 0x0706: "energy_management", 0x0707: "calendar",
    0x0708: "device_management", 0x0709: "events", 0x070A: "mdu_pairing", 0x0900: "information", 0x0B00: "appliance_identification", 0x0B02: "appliance_events",
    0x0B03: "appliance_statistics", 0x1000: "touchlink",
}  # fmt: skip
"""Clusters of ZCL8 and Smart Energy that have no rows here (yet)."""

NAMES: Mapping[int, str] = {**OTHER_NAMES, **{number: name for number, (name, _) in _ROWS.items()}}
"""Every cluster's name by its id."""


@cache
def cluster(cluster_id: int) -> ClusterDef | None:
    """A cluster's tables; None where there are no rows."""
    if cluster_id not in _ROWS:
        return None
    name, rows = _ROWS[cluster_id]
    return read_rows(cluster_id, name, rows)


def cluster_name(cluster_id: int) -> str:
    """A cluster's name, or its id in hex."""
    return NAMES.get(cluster_id) or f"0x{cluster_id:04x}"


def attribute_def(
    cluster_id: int, attribute: int, manufacturer: int | None = None, *, client: bool = False
) -> AttributeDef | None:
    """An attribute's row; None where there is none."""
    found = cluster(cluster_id)
    return found.attribute(attribute, manufacturer, client=client) if found is not None else None


def attribute_name(
    cluster_id: int, attribute: int, manufacturer: int | None = None, *, client: bool = False
) -> str | None:
    """An attribute's name; None where there is no row."""
    found = attribute_def(cluster_id, attribute, manufacturer, client=client)
    return found.name if found is not None else None


def find_cluster(text: str) -> int:
    """A cluster by its name or number. Raises `RangeError` that names what is near."""
    number = _number(text)
    if number is not None and 0 <= number <= 0xFFFF:
        return number
    wanted = _plain(text)
    for found, name in NAMES.items():
        if name == wanted:
            return found
    raise RangeError("cluster", text, _allowed("a cluster's name", wanted, list(NAMES.values())))


def find_attribute(cluster_id: int, text: str, *, client: bool = False) -> AttributeDef:
    """An attribute by its name or number. A number without a row gives a row without a data type's name (type 0xFF).

    Raises `RangeError` that names what is near.
    """
    number = _number(text)
    if number is not None and 0 <= number <= 0xFFFF:
        found = attribute_def(cluster_id, number, client=client)
        return found or AttributeDef(number, f"0x{number:04x}", 0xFF)
    rows = cluster(cluster_id)
    table = list((rows.client if client else rows.server).values()) if rows is not None else []
    wanted = _plain(text)
    for row in table:
        if row.name == wanted:
            return row
    what = f"the name of an attribute of {cluster_name(cluster_id)}"
    raise RangeError("attribute", text, _allowed(what, wanted, [row.name for row in table]))


def _plain(text: str) -> str:
    return text.strip().lower().replace("-", "_").replace(" ", "_")


def _number(text: str) -> int | None:
    try:
        return int(text.strip(), 0)
    except ValueError:
        return None


def _allowed(what: str, wanted: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wanted, known, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{f'{what} or its number' if known else 'a number'}, 0 to 0xFFFF{hint}"
