//! Names of columns, in frames and in files.

#![expect(
    missing_docs,
    reason = "what they hold stands in `Table::columns`, in `RESULTS` and in the stages that give them"
)]

// Columns of files.
pub const SUPPLIER_CODE: &str = "supplier_code";
pub const NAME: &str = "name";
pub const JSIC_DIVISION: &str = "jsic_division";
pub const EMPLOYEE_COUNT: &str = "employee_count";
pub const CAPITAL_JPY: &str = "capital_jpy";
pub const DATA_ACCESS: &str = "data_access";
pub const NETWORK_ACCESS: &str = "network_access";
pub const TOTAL_ENDPOINTS: &str = "total_endpoints";
pub const REPORTS_INCIDENTS_SINCE: &str = "reports_incidents_since";
pub const UPSTREAM_CODE: &str = "upstream_code";
pub const DOWNSTREAM_CODE: &str = "downstream_code";
pub const ANNUAL_SPEND_JPY: &str = "annual_spend_jpy";
pub const CRITICALITY: &str = "criticality";
pub const SUBSTITUTABILITY: &str = "substitutability";
pub const STOCK_COVER_DAYS: &str = "stock_cover_days";
pub const SERVICE_CLASS: &str = "service_class";
pub const COVERAGE_SHARE: &str = "coverage_share";
pub const COVERED_ENDPOINTS: &str = "covered_endpoints";
pub const STARTS_ON: &str = "starts_on";
pub const ENDS_ON: &str = "ends_on";
pub const ONSITE_RESPONSE: &str = "onsite_response";
pub const SCHEME: &str = "scheme";
pub const ISSUED_ON: &str = "issued_on";
pub const EXPIRES_ON: &str = "expires_on";
pub const OCCURRED_ON: &str = "occurred_on";
pub const OUTCOME: &str = "outcome";
pub const COUNT: &str = "count";

// Columns that the model computes.
pub const SIZE_CLASS: &str = "size_class";
pub const JSIC_SECTION: &str = "jsic_section";
pub const BASE_RATE: &str = "base_rate";
pub const DISCOUNTED_INCIDENT_COUNT: &str = "discounted_incident_count";
pub const DISCOUNTED_OBSERVED_YEARS: &str = "discounted_observed_years";
pub const SEGMENT_FACTOR: &str = "segment_factor";
pub const OWN_RATE: &str = "own_rate";
pub const OWN_RATE_LOW: &str = "own_rate_low";
pub const OWN_RATE_HIGH: &str = "own_rate_high";
pub const INCIDENT_PROBABILITY: &str = "incident_probability";
pub const RISK_SCORE: &str = "risk_score";
pub const RISK_SCORE_LOW: &str = "risk_score_low";
pub const RISK_SCORE_HIGH: &str = "risk_score_high";
pub const GRADE: &str = "grade";
pub const POINTS_BASE: &str = "points_base";
pub const POINTS_SEGMENT: &str = "points_segment";
pub const POINTS_MONITORING: &str = "points_monitoring";
pub const POINTS_LADDER: &str = "points_ladder";
pub const POINTS_ISMS: &str = "points_isms";
pub const POINTS_HISTORY: &str = "points_history";
pub const DISRUPTION_RATE: &str = "disruption_rate";
pub const DISRUPTION_PROBABILITY: &str = "disruption_probability";
pub const CHAIN_SCORE: &str = "chain_score";
pub const CHAIN_GRADE: &str = "chain_grade";
pub const POINTS_UPSTREAM: &str = "points_upstream";
pub const LOSS_PER_DISRUPTION_JPY: &str = "loss_per_disruption_jpy";
pub const SYSTEMIC_LOSS_PER_DISRUPTION_JPY: &str = "systemic_loss_per_disruption_jpy";
pub const EXPECTED_ANNUAL_LOSS_DIRECT_JPY: &str = "expected_annual_loss_direct_jpy";
pub const EXPECTED_ANNUAL_LOSS_CAUSED_JPY: &str = "expected_annual_loss_caused_jpy";

// Columns that stages pass on to later ones and to explanations.
pub const SUPPLIER: &str = "supplier";
pub const UPSTREAM: &str = "upstream";
pub const DOWNSTREAM: &str = "downstream";
pub const COVERAGE: &str = "coverage";
pub const IS_ASSUMED: &str = "is_assumed";
pub const LOG_FACTOR: &str = "log_factor";
pub const TAKE: &str = "take";
pub const MONITORING: &str = "monitoring";
pub const LADDER: &str = "ladder";
pub const ISMS: &str = "isms";
pub const FLOOR_SCALE: &str = "floor_scale";
pub const HAS_ONSITE: &str = "has_onsite";
pub const ENDED_ON: &str = "ended_on";
pub const EXPIRY: &str = "expiry";
pub const FRESHNESS: &str = "freshness";
pub const LADDER_SCHEME: &str = "ladder_scheme";
pub const LADDER_EXPIRY: &str = "ladder_expiry";
pub const LADDER_EXPIRY_IS_ASSUMED: &str = "ladder_expiry_is_assumed";
pub const LADDER_FRESHNESS: &str = "ladder_freshness";
pub const ISMS_SCHEME: &str = "isms_scheme";
pub const ISMS_EXPIRY: &str = "isms_expiry";
pub const ISMS_EXPIRY_IS_ASSUMED: &str = "isms_expiry_is_assumed";
pub const ISMS_FRESHNESS: &str = "isms_freshness";
pub const PRIOR: &str = "prior";
pub const WEIGHT: &str = "weight";
pub const DISCOUNTED_HARMFUL_COUNT: &str = "discounted_harmful_count";
pub const IS_REPORTING: &str = "is_reporting";
pub const WATCHED_YEARS: &str = "watched_years";
pub const WATCHED_HARMFUL_COUNT: &str = "watched_harmful_count";
pub const HARMFUL_COUNT: &str = "harmful_count";
pub const CONTAINED_COUNT: &str = "contained_count";
pub const BLOCKED_COUNT: &str = "blocked_count";
pub const PEER_HARMFUL_COUNT: &str = "peer_harmful_count";
pub const PEER_EXPECTED_COUNT: &str = "peer_expected_count";
pub const DATA_LOSS_JPY: &str = "data_loss_jpy";
pub const NETWORK_LOSS_JPY: &str = "network_loss_jpy";
pub const MEAN_DAYS: &str = "mean_days";
pub const PASS: &str = "pass";
pub const LOST_DAYS: &str = "lost_days";
pub const ANNUAL_VALUE_JPY: &str = "annual_value_jpy";
