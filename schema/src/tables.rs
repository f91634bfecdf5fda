//! The tables as diesel sees them: only types that every database has.

diesel::table! {
    tenants (id) {
        id -> Text,
        name -> Text,
        time_zone -> Text,
        created_at -> Timestamp,
        suspended_at -> Nullable<Timestamp>,
    }
}
diesel::table! {
    tokens (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        name -> Text,
        role -> Text,
        provider_name -> Nullable<Text>,
        supplier_id -> Nullable<Text>,
        issued_at -> Timestamp,
        expires_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
    }
}
diesel::table! {
    services (id) {
        id -> Text,
        registration_number -> Nullable<Text>,
        provider_name -> Text,
        service_name -> Text,
        service_class -> Text,
        monitoring -> Nullable<Text>,
        recorded_at -> Timestamp,
    }
}
diesel::table! {
    jobs (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
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
diesel::table! {
    job_queue (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        state -> Text,
        leased_until -> Nullable<Timestamp>,
        kind -> Nullable<Text>,
        process -> Nullable<Text>,
    }
}
diesel::table! {
    installation_writes (id) {
        id -> Integer,
        count -> BigInt,
    }
}
diesel::table! {
    tenant_writes (tenant_id, role) {
        tenant_id -> Text,
        role -> Text,
        count -> BigInt,
    }
}
diesel::table! {
    upload_chunks (tenant_id, job_id, seq) {
        tenant_id -> Text,
        job_id -> Text,
        seq -> Integer,
        bytes -> Binary,
    }
}
diesel::table! {
    import_findings (tenant_id, job_id, seq) {
        tenant_id -> Text,
        job_id -> Text,
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
diesel::table! {
    suppliers (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        created_at -> Timestamp,
    }
}
diesel::table! {
    incident_contacts (tenant_id, supplier_id) {
        tenant_id -> Text,
        supplier_id -> Text,
        name -> Nullable<Text>,
        department -> Nullable<Text>,
        mail_address -> Nullable<Text>,
        phone_number -> Nullable<Text>,
        verified_on -> Nullable<Date>,
        recorded_at -> Timestamp,
        recorded_by -> Text,
    }
}
diesel::table! {
    supplier_versions (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
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
        merged_into_id -> Nullable<Text>,
        search_text -> Text,
        name_key -> Text,
    }
}
diesel::table! {
    supplier_codes (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        system -> Text,
        company -> Nullable<Text>,
        code -> Text,
        supplier_id -> Text,
    }
}
diesel::table! {
    relationships (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        upstream_id -> Text,
        downstream_id -> Nullable<Text>,
        item -> Nullable<Text>,
        annual_spend_jpy -> Nullable<BigInt>,
        criticality -> Text,
        substitutability -> Text,
        stock_cover_days -> Nullable<Double>,
        valid_from_on -> Nullable<Date>,
        valid_to_on -> Nullable<Date>,
    }
}
diesel::table! {
    enrollments (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Text,
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
diesel::table! {
    certifications (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Text,
        scheme -> Text,
        issued_on -> Date,
        expires_on -> Nullable<Date>,
        scope -> Nullable<Text>,
        evidence_url -> Nullable<Text>,
    }
}
diesel::table! {
    incidents (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        supplier_id -> Text,
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
diesel::table! {
    provider_assignments (tenant_id, id, version) {
        tenant_id -> Text,
        id -> Text,
        version -> Integer,
        source -> Text,
        external_id -> Nullable<Text>,
        record_key -> Text,
        recorded_at -> Timestamp,
        superseded_at -> Nullable<Timestamp>,
        recorded_by -> Text,
        import_id -> Nullable<Text>,
        ended_on -> Nullable<Date>,
        retraction_reason -> Nullable<Text>,
        provider_name -> Text,
        supplier_id -> Text,
    }
}
diesel::table! {
    settings (tenant_id) {
        tenant_id -> Text,
        version -> Integer,
        scores_automatically -> Bool,
        buyer_breach_loss_jpy -> Nullable<BigInt>,
        keep_daily_days -> BigInt,
        keep_monthly_months -> BigInt,
        recorded_at -> Timestamp,
        recorded_by -> Text,
    }
}
diesel::table! {
    data_states (tenant_id) {
        tenant_id -> Text,
        data_version -> BigInt,
        changed_at -> Timestamp,
        asked_version -> Nullable<BigInt>,
        asked_for_on -> Nullable<Date>,
    }
}
diesel::table! {
    models (hash) {
        hash -> Text,
        version -> Text,
        text -> Text,
        recorded_at -> Timestamp,
    }
}
diesel::table! {
    score_inputs (tenant_id, input_hash, seq) {
        tenant_id -> Text,
        input_hash -> Text,
        seq -> Integer,
        bytes -> Binary,
    }
}
diesel::table! {
    score_runs (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
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
        incident_count -> BigInt,
        duration_ms -> BigInt,
        portfolio -> Text,
    }
}
diesel::table! {
    score_blocks (tenant_id, run_id, first_supplier_id) {
        tenant_id -> Text,
        run_id -> Text,
        first_supplier_id -> Text,
        bytes -> Binary,
    }
}
diesel::table! {
    export_chunks (tenant_id, job_id, seq) {
        tenant_id -> Text,
        job_id -> Text,
        seq -> Integer,
        bytes -> Binary,
    }
}

diesel::joinable!(tokens -> tenants (tenant_id));
diesel::allow_tables_to_appear_in_same_query!(tenants, tokens);
diesel::allow_tables_to_appear_in_same_query!(jobs, job_queue, upload_chunks, export_chunks);
diesel::allow_tables_to_appear_in_same_query!(score_runs, score_inputs);
diesel::allow_tables_to_appear_in_same_query!(score_runs, data_states, settings);
