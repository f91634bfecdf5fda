//! Row-level security on a server: what is missing, and how it is added.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::error::{Bilingual, RepoError, with_causes};

/// Finds what is missing, changed or open. The file describes what row-level security consists of.
const FINDINGS_QUERY: &str = include_str!("row_level_security.sql");

/// Something that row-level security lacks.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Finding {
    #[diesel(sql_type = Text)]
    kind: String,
    /// The table, role or function.
    #[diesel(sql_type = Text)]
    subject: String,
    /// Whether the owner of the tables adds it without asking. The others were made on purpose by somebody.
    #[diesel(sql_type = Bool)]
    is_ours: bool,
    /// The statement that adds it.
    #[diesel(sql_type = Text)]
    fix: String,
}

impl Finding {
    /// Returns whether it is about a role, which only somebody with CREATEROLE can change.
    fn is_of_role(&self) -> bool {
        matches!(self.kind.as_str(), "no_role" | "no_member")
    }
}

/// Reads from the catalogue what is missing.
pub(crate) fn findings(conn: &mut PgConnection) -> Result<Vec<Finding>, RepoError> {
    Ok(diesel::sql_query(FINDINGS_QUERY).load(conn)?)
}

/// Adds what is missing, as far as this role may. `run` runs statements. Everything of a table is added in one
/// transaction, and each table in its own, so that no two tables are locked at the same time.
pub(crate) fn add(
    conn: &mut PgConnection,
    findings: &[Finding],
    mut run: impl FnMut(&mut PgConnection, &str) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let ours: Vec<_> = findings.iter().filter(|finding| finding.is_ours).collect();
    let mut outcome = Ok(());
    for of_one in ours.chunk_by(|one, next| one.subject == next.subject) {
        let statements: Vec<_> = of_one.iter().map(|finding| finding.fix.as_str()).collect();
        // The rest is tried nevertheless: what is left is then what somebody else has to do.
        outcome = outcome.and(run(conn, &statements.join("; ")));
    }
    outcome
}

/// The number of tables that are named per kind. A restored database lacks something in all of them.
const MAX_NAMED_TABLES: usize = 5;

/// Describes what is missing.
pub(crate) fn shown(findings: &[Finding]) -> Bilingual {
    let mut by_kind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_missing = |role: &str| findings.iter().any(|finding| finding.kind == "no_role" && finding.subject == role);
    // No login role can take a role that does not exist.
    for finding in findings.iter().filter(|finding| finding.kind != "no_member" || !is_missing(&finding.subject)) {
        let subjects = by_kind.entry(&finding.kind).or_default();
        if !subjects.contains(&finding.subject.as_str()) {
            subjects.push(&finding.subject);
        }
    }
    let texts = by_kind.into_iter().map(|(kind, subjects)| {
        let (en, ja) = phrase(kind);
        let named = subjects.get(..MAX_NAMED_TABLES).unwrap_or(&subjects);
        let (mut en, mut ja) = (format!("{en}: {}", named.join(", ")), format!("{ja}: {}", named.join("、")));
        if named.len() < subjects.len() {
            en += &format!(" and {} more", subjects.len() - named.len());
            ja += &format!(" ほか{}件", subjects.len() - named.len());
        }
        (en, ja)
    });
    let (en, ja): (Vec<_>, Vec<_>) = texts.unzip();
    Bilingual { en: en.join("; "), ja: ja.join("。") }
}

fn phrase(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "no_role" => ("missing roles", "存在しないロール"),
        "no_member" => ("roles that the login role cannot take", "ログインロールが利用できないロール"),
        "strong_role" => (
            "roles that may do too much (SUPERUSER, BYPASSRLS, LOGIN or the like)",
            "権限が強すぎるロール（SUPERUSER、BYPASSRLS、LOGINなど）",
        ),
        "role_in_role" => ("roles that are members of other roles", "他のロールのメンバーになっているロール"),
        "owner" => ("tables that belong to a role of transactions", "トランザクション用ロールが所有する表"),
        "no_policy" => ("missing or changed policies", "存在しない、または変更されたポリシー"),
        "no_privilege" => ("missing privileges", "不足している権限"),
        "more_privileges" => ("privileges that should not be there", "余分な権限"),
        "other_role" => ("privileges of roles of another database", "別のデータベース用ロールに残っている権限"),
        "public_privileges" => ("privileges of PUBLIC", "PUBLICに与えられた権限"),
        "more_policies" => ("policies that are not Sonae's", "Sonae以外が作成したポリシー"),
        "unbound" => {
            ("views or functions that bypass row-level security", "行レベルセキュリティを迂回するビューまたは関数")
        }
        _ => ("other", "その他"),
    }
}

/// Returns whether this role may make the change to a role: create it, or take it.
fn may_add(conn: &mut PgConnection, finding: &Finding) -> Result<bool, RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        may: bool,
    }
    // Since version 16, CREATEROLE can only grant roles that its holder has created.
    let row: Row = diesel::sql_query(
        "SELECT rolsuper OR CASE WHEN to_regrole(quote_ident($1)) IS NULL OR current_setting('server_version_num')::INTEGER < 160000 \
         THEN rolcreaterole ELSE pg_has_role(current_user, to_regrole(quote_ident($1)), 'MEMBER WITH ADMIN OPTION') END AS may \
         FROM pg_roles WHERE rolname = current_user",
    )
    .bind::<Text, _>(&finding.subject)
    .get_result(conn)?;
    Ok(row.may)
}

/// Describes what is missing before anybody has tried to add it, and who has to do what.
pub(crate) fn untried(conn: &mut PgConnection, findings: &[Finding]) -> Result<Bilingual, RepoError> {
    let mut of_others = Vec::new();
    for finding in findings {
        if !finding.is_ours || (finding.is_of_role() && !may_add(conn, finding)?) {
            of_others.push(finding);
        }
    }
    let is_ours_left = of_others.len() < findings.len();
    Ok(lacking(conn, findings, &of_others, is_ours_left, None))
}

/// Returns why the database cannot be used while something is missing, and who has to do what.
pub(crate) fn refusal(conn: &mut PgConnection, findings: &[Finding], cause: Option<&RepoError>) -> RepoError {
    // Statements about tables are many, and for the owner to run.
    let of_tables = findings.iter().any(|finding| finding.is_ours && !finding.is_of_role());
    let of_others: Vec<_> = findings.iter().filter(|finding| !finding.is_ours || finding.is_of_role()).collect();
    RepoError::Unfit(lacking(conn, findings, &of_others, of_tables, cause))
}

/// Describes what is missing, with the statements that others have to run. `is_ours_left` says that some of it is for
/// the owner to add.
fn lacking(
    conn: &mut PgConnection,
    findings: &[Finding],
    of_others: &[&Finding],
    is_ours_left: bool,
    cause: Option<&RepoError>,
) -> Bilingual {
    let what = shown(findings);
    let mut text = Bilingual {
        en: format!("row-level security is incomplete ({})", what.en),
        ja: format!("行レベルセキュリティに不備があります（{}）", what.ja),
    };
    let fixes: Vec<_> = of_others.iter().map(|finding| format!("{};", finding.fix)).collect();
    if !fixes.is_empty() {
        let fixes = fixes.join(" ");
        text.en += &format!("; an administrator has to run, in this database: {fixes}");
        text.ja += &format!("。管理者がこのデータベースで次の文を実行してください: {fixes}");
    }
    match (is_ours_left, other_owner(conn)) {
        (true, Ok(Some(change))) => {
            text.en += &format!(
                "; the tables belong to another role: run `sonae migrate` as that one, or an administrator has to run, in this database: {change}"
            );
            text.ja += &format!(
                "。表は別のロールが所有しています。そのロールで `sonae migrate` を実行するか、管理者がこのデータベースで次の文を実行してください: {change}"
            );
        }
        (true, Ok(None)) if fixes.is_empty() => {
            if let Some(cause) = cause {
                let cause = with_causes(cause);
                text.en += &format!("; it cannot be completed: {cause}");
                text.ja += &format!("。設定できませんでした: {cause}");
            } else {
                text.en += "; run `sonae migrate`";
                text.ja += "。`sonae migrate` を実行してください";
            }
        }
        // The statements above come first. The next start does the rest.
        (true, _) | (false, _) => {}
    }
    text
}

/// Returns the statement that gives the tables to the login role, if they belong to a role that it has no part in.
pub(crate) fn other_owner(conn: &mut PgConnection) -> Result<Option<String>, RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        change: String,
    }
    let row: Option<Row> = diesel::sql_query(
        "SELECT format('DO $$ DECLARE name REGCLASS; BEGIN FOR name IN SELECT oid FROM pg_class WHERE relnamespace = %L::REGNAMESPACE \
         AND relkind IN (''r'', ''p'') LOOP EXECUTE format(''ALTER TABLE %%s OWNER TO %%I'', name, %L); END LOOP; END $$;', \
         quote_ident(current_schema()), current_user) AS change FROM pg_class \
         WHERE relnamespace = current_schema()::REGNAMESPACE AND relkind IN ('r', 'p') \
         AND NOT pg_has_role(current_user, relowner, 'USAGE') LIMIT 1",
    )
    .get_result(conn)
    .optional()?;
    Ok(row.map(|row| row.change))
}

/// Refuses a database whose roles would have names that the server truncates.
pub(crate) fn expect_short_name(conn: &mut PgConnection) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_short: bool,
    }
    let row: Row = diesel::sql_query("SELECT octet_length(current_database()) <= 54 AS is_short").get_result(conn)?;
    if row.is_short {
        return Ok(());
    }
    Err(RepoError::Unfit(Bilingual {
        en: "the name of the database is too long: 54 bytes at most".to_owned(),
        ja: "データベース名が長すぎます（54バイト以内）".to_owned(),
    }))
}
