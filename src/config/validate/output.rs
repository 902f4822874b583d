//! What is in a message and which messages there are.

use crate::encode::ColumnPattern;
use crate::filter::Filter;

use super::super::settings::{NamingStrategy, OutputSettings};
use super::Reader;

/// Java's variable, whose mere existence turns GTIDs on (trap 56).
const GTID_VARIABLE: &str = "GTID_MODE";

pub(super) fn filter(reader: &mut Reader, schema_database: &str) -> Filter {
    let text = reader.given("filter").unwrap_or_default();
    match Filter::parse(text) {
        Ok((filter, warnings)) => {
            for warning in warnings {
                reader.findings.warn(warning);
            }
            filter.for_schema_database(schema_database)
        }
        Err(detail) => {
            let hint = "a rule is `include|exclude|blacklist: database.table[.column=value]`, rules have commas between";
            reader.fault("filter", format!("Invalid filter options: {detail}"), hint);
            Filter::default()
        }
    }
}

pub(super) fn gtid_mode(reader: &mut Reader) -> bool {
    let given = reader.raw.get("gtid_mode").is_some();
    let by_variable = !given && reader.around.variables.contains_key(GTID_VARIABLE);
    if by_variable {
        reader
            .findings
            .info(format!("gtid_mode is on because the environment variable {GTID_VARIABLE} exists; gtid_mode=false turns it off"));
    }
    let gtid_mode = by_variable || reader.flag("gtid_mode");
    if gtid_mode && reader.flag("master_recovery") {
        reader.fault("master_recovery", "There is no need to perform master_recovery under gtid_mode", "remove master_recovery");
    }
    gtid_mode
}

pub(super) fn read(reader: &mut Reader, gtid_mode: bool) -> OutputSettings {
    if reader.flag("output_gtid_position") && !gtid_mode {
        reader.fault("output_gtid_position", "output_gtid_position is only support with gtid mode.", "set gtid_mode=true, or remove it");
    }
    OutputSettings {
        binlog_position: reader.flag("output_binlog_position"),
        gtid_position: reader.flag("output_gtid_position"),
        commit_info: reader.flag("output_commit_info"),
        xoffset: reader.flag("output_xoffset"),
        nulls: reader.flag("output_nulls"),
        server_id: reader.flag("output_server_id"),
        thread_id: reader.flag("output_thread_id"),
        schema_id: reader.flag("output_schema_id"),
        row_query: reader.flag("output_row_query"),
        row_query_max_length: reader.number("row_query_max_length"),
        primary_keys: reader.flag("output_primary_keys"),
        primary_key_columns: reader.flag("output_primary_key_columns"),
        null_zerodates: reader.flag("output_null_zerodates"),
        maxwell_quirks: reader.flag("maxwell_quirks"),
        omits_partial_json: reader.choice("partial_json") == Some("omit"),
        ddl: reader.flag("output_ddl"),
        push_timestamp: reader.flag("output_push_timestamp"),
        naming_strategy: naming_strategy(reader),
        exclude_columns: excluded_columns(reader),
    }
}

fn naming_strategy(reader: &mut Reader) -> NamingStrategy {
    match reader.given("output_naming_strategy").map(str::trim) {
        Some("underscore_to_camelcase") => NamingStrategy::UnderscoreToCamelcase,
        Some(other) => {
            reader.findings.warn(format!("output_naming_strategy={other} changes nothing: the only strategy is underscore_to_camelcase"));
            NamingStrategy::AsIs
        }
        None => NamingStrategy::AsIs,
    }
}

/// Names and patterns of `exclude_columns`, with Maxwell's text for a bad one.
fn excluded_columns(reader: &mut Reader) -> Vec<ColumnPattern> {
    let Some(list) = reader.given("exclude_columns").map(str::to_owned) else { return Vec::new() };
    ColumnPattern::parse_list(&list).unwrap_or_else(|(element, why)| {
        let what = format!("invalid exclude_columns: '{list}': Invalid regular expression: {element}: {why}");
        reader.fault("exclude_columns", what, "mend the regular expression");
        Vec::new()
    })
}

pub(super) fn check_encryption(reader: &mut Reader) {
    let mode = reader.choice("encrypt");
    if mode != Some("none") && !reader.is_given("secret_key") {
        reader.missing("--secret_key required");
    }
}
