//! The tables as diesel sees them: only types that every database has.

macro_rules! table {
    ($($table:tt)*) => {
        diesel::table! {
            use diesel::sql_types::*;
            use crate::id::Key;
            $($table)*
        }
    };
}

table! {
    tenants (id) {
        id -> Key,
        name -> Text,
        time_zone -> Text,
        created_at -> Timestamp,
        suspended_at -> Nullable<Timestamp>,
    }
}
table! {
    tokens (tenant_id, id) {
        tenant_id -> Key,
        id -> Key,
        name -> Text,
        role -> Text,
        provider_name -> Nullable<Text>,
        supplier_id -> Nullable<Key>,
        issued_at -> Timestamp,
        expires_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
    }
}
table! {
    services (id) {
        id -> Key,
        registration_number -> Nullable<Text>,
        provider_name -> Text,
        service_name -> Text,
        service_class -> Text,
        monitoring -> Nullable<Text>,
        recorded_at -> Timestamp,
    }
}
table! {
    jobs (tenant_id, id) {
        tenant_id -> Key,
        id -> Key,
        kind -> Text,
        state -> Text,
        request -> Text,
        result -> Nullable<Text>,
        created_at -> Timestamp,
        created_by -> Text,
        started_at -> Nullable<Timestamp>,
        finished_at -> Nullable<Timestamp>,
        attempt_count -> Integer,
        is_cancel_requested -> Bool,
        progress_done -> Nullable<BigInt>,
        progress_total -> Nullable<BigInt>,
        stalled_count -> Integer,
        last_done -> Nullable<BigInt>,
        traceparent -> Nullable<Text>,
    }
}
table! {
    job_queue (tenant_id, id) {
        tenant_id -> Key,
        id -> Key,
        kind -> Text,
        state -> Text,
        queued_at -> Timestamp,
        leased_until -> Nullable<Timestamp>,
        process -> Nullable<Text>,
    }
}
table! {
    installation_writes (id) {
        id -> Integer,
        count -> BigInt,
    }
}
table! {
    tenant_writes (tenant_id, role) {
        tenant_id -> Key,
        role -> Text,
        count -> BigInt,
    }
}
table! {
    upload_chunks (tenant_id, job_id, seq) {
        tenant_id -> Key,
        job_id -> Key,
        seq -> Integer,
        bytes -> Binary,
    }
}
table! {
    import_findings (tenant_id, job_id, seq) {
        tenant_id -> Key,
        job_id -> Key,
        seq -> Integer,
        is_warning -> Bool,
        sheet -> Nullable<Text>,
        row_number -> Nullable<BigInt>,
        column_name -> Nullable<Text>,
        value -> Nullable<Text>,
        code -> Text,
        detail_ja -> Text,
        detail_en -> Text,
    }
}
table! {
    commits (tenant_id, number) {
        tenant_id -> Key,
        number -> BigInt,
        committed_at -> Timestamp,
        actor -> Text,
        role -> Nullable<Text>,
        request_id -> Nullable<Text>,
        operation -> Text,
        import_id -> Nullable<Key>,
    }
}
table! {
    suppliers (tenant_id, id) {
        tenant_id -> Key,
        id -> Key,
    }
}
table! {
    incident_contacts (tenant_id, supplier_id) {
        tenant_id -> Key,
        supplier_id -> Key,
        name -> Nullable<Text>,
        department -> Nullable<Text>,
        mail_address -> Nullable<Text>,
        phone_number -> Nullable<Text>,
        verified_on -> Nullable<Date>,
        recorded_at -> Timestamp,
        recorded_by -> Text,
    }
}
table! {
    supplier_versions (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_code -> Text,
        name -> Nullable<Text>,
        kana -> Nullable<Text>,
        corporate_number -> Nullable<Text>,
        jsic_division -> Nullable<Text>,
        employee_count -> Nullable<BigInt>,
        capital_jpy -> Nullable<BigInt>,
        prefecture_code -> Nullable<Text>,
        data_access -> Nullable<Text>,
        network_access -> Nullable<Text>,
        total_endpoints -> Nullable<BigInt>,
        reports_incidents_since -> Nullable<Date>,
        merged_into_id -> Nullable<Key>,
        search_text -> Text,
        name_key -> Text,
    }
}
table! {
    supplier_codes (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        system -> Text,
        company -> Nullable<Text>,
        code -> Text,
        supplier_id -> Key,
    }
}
table! {
    relationships (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        upstream_id -> Key,
        downstream_id -> Nullable<Key>,
        item -> Nullable<Text>,
        annual_spend_jpy -> Nullable<BigInt>,
        criticality -> Text,
        substitutability -> Text,
        stock_cover_days -> Nullable<Double>,
        valid_from_on -> Nullable<Date>,
        valid_to_on -> Nullable<Date>,
    }
}
table! {
    enrollments (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Key,
        service_name -> Nullable<Text>,
        provider_name -> Nullable<Text>,
        service_class -> Text,
        monitoring -> Nullable<Text>,
        coverage_share -> Nullable<Double>,
        covered_endpoints -> Nullable<BigInt>,
        starts_on -> Date,
        ends_on -> Nullable<Date>,
        onsite_response -> Bool,
        insured_limit_jpy -> Nullable<BigInt>,
    }
}
table! {
    certifications (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Key,
        scheme -> Text,
        issued_on -> Date,
        expires_on -> Nullable<Date>,
        scope -> Nullable<Text>,
        evidence_url -> Nullable<Text>,
    }
}
table! {
    assessments (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Key,
        control -> Text,
        status -> Nullable<Text>,
        total_score -> Nullable<BigInt>,
        assessed_on -> Date,
        expires_on -> Nullable<Date>,
        assurance -> Text,
        assessor_name -> Nullable<Text>,
        evidence_url -> Nullable<Text>,
    }
}
table! {
    incidents (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Key,
        occurred_on -> Date,
        category -> Nullable<Text>,
        outcome -> Text,
        count -> Nullable<BigInt>,
        loss_jpy -> Nullable<BigInt>,
        downtime_days -> Nullable<Double>,
        detected_at -> Nullable<Timestamp>,
        reported_at -> Nullable<Timestamp>,
        partners_affected -> Nullable<BigInt>,
        indicators -> Nullable<Text>,
    }
}
table! {
    provider_assignments (tenant_id, id, version) {
        tenant_id -> Key,
        id -> Key,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_in -> BigInt,
        superseded_in -> Nullable<BigInt>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        provider_name -> Text,
        supplier_id -> Key,
    }
}
table! {
    settings (tenant_id) {
        tenant_id -> Key,
        version -> Integer,
        scores_automatically -> Bool,
        buyer_breach_loss_jpy -> Nullable<BigInt>,
        keep_daily_days -> BigInt,
        keep_monthly_months -> BigInt,
        recorded_at -> Timestamp,
        recorded_by -> Text,
    }
}
table! {
    data_states (tenant_id) {
        tenant_id -> Key,
        data_version -> BigInt,
        changed_at -> Timestamp,
        asked_version -> Nullable<BigInt>,
        asked_for_on -> Nullable<Date>,
    }
}
table! {
    models (hash) {
        hash -> Text,
        version -> Text,
        text -> Text,
        recorded_at -> Timestamp,
    }
}
table! {
    score_inputs (tenant_id, input_hash, seq) {
        tenant_id -> Key,
        input_hash -> Text,
        seq -> Integer,
        bytes -> Binary,
    }
}
table! {
    score_runs (tenant_id, id) {
        tenant_id -> Key,
        id -> Key,
        as_of -> Date,
        known_at -> Timestamp,
        scored_at -> Timestamp,
        created_by -> Text,
        is_automatic -> Bool,
        exported_at -> Nullable<Timestamp>,
        model_version -> Text,
        model_hash -> Text,
        engine_version -> Text,
        input_hash -> Text,
        buyer_breach_loss_jpy -> Nullable<BigInt>,
        data_version -> BigInt,
        is_trial -> Bool,
        supplier_count -> BigInt,
        relationship_count -> BigInt,
        enrollment_count -> BigInt,
        certification_count -> BigInt,
        assessment_count -> BigInt,
        incident_count -> BigInt,
        duration_ms -> BigInt,
        portfolio -> Text,
    }
}
table! {
    score_blocks (tenant_id, run_id, first_supplier_id) {
        tenant_id -> Key,
        run_id -> Key,
        first_supplier_id -> Key,
        bytes -> Binary,
    }
}
table! {
    export_chunks (tenant_id, job_id, seq) {
        tenant_id -> Key,
        job_id -> Key,
        seq -> Integer,
        bytes -> Binary,
    }
}

diesel::joinable!(tokens -> tenants (tenant_id));
diesel::allow_tables_to_appear_in_same_query!(tenants, tokens);
diesel::allow_tables_to_appear_in_same_query!(jobs, job_queue, upload_chunks, export_chunks);
diesel::allow_tables_to_appear_in_same_query!(score_runs, score_inputs);
diesel::allow_tables_to_appear_in_same_query!(score_runs, data_states, settings);
