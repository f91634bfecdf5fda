//! `sonae token`: the tokens that give access to the interfaces.

use chrono::TimeDelta;
use clap::Subcommand;
use schema::tokens::{self, TokenRow};
use schema::{Choice, Name, RepoError, Role, suppliers};
use scoring::Lang;

use super::usage::Reason;
use super::{DataFolder, Failure, TenantArg, access, faults, find_tenant, note};
use crate::base::actors::{AUTOMATIC, COMMAND_LINE};
use crate::base::keys::{DEFAULT_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME};

/// Create, list and revoke tokens
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create a token and print it once
    Create(CreateArgs),
    /// List the tokens of a buyer
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Revoke a token
    Revoke {
        /// Its name or id
        token: String,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Its name; records show it as their author
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Its role: viewer, integrator, analyst, admin, auditor, provider (sends evidence) or supplier (sees itself)
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// How long it is valid, in hours; at most 2160 (90 days)
    #[arg(long, value_name = "HOURS", default_value_t = DEFAULT_TOKEN_LIFETIME.num_hours(), value_parser = hours)]
    hours: i64,
    /// The name of the provider, for the role provider
    #[arg(long, value_name = "NAME", required_if_eq("role", "provider"))]
    provider: Option<String>,
    /// The code of the supplier, for the role supplier
    #[arg(long, value_name = "CODE", required_if_eq("role", "supplier"))]
    supplier: Option<String>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    data: DataFolder,
}

fn role(text: &str) -> Result<Role, Reason> {
    let names: Vec<_> = Role::ALL.iter().map(|(_, key, _)| *key).collect();
    Role::parse(text).map_err(|_| Reason::one_of(&names))
}

fn hours(text: &str) -> Result<i64, Reason> {
    let most = MAX_TOKEN_LIFETIME.num_hours();
    let hours = text.parse().ok().filter(|hours| (1..=most).contains(hours));
    hours.ok_or_else(|| Reason::new(format!("1〜{most}時間で指定してください"), format!("use 1 to {most} hours")))
}

pub(super) fn run(verb: &Verb, lang: Lang) -> Result<(), Failure> {
    match verb {
        Verb::Create(args) => create(args, lang),
        Verb::List { tenant, data } => list(tenant, data, lang),
        Verb::Revoke { token, tenant, data } => revoke(token, tenant, data, lang),
    }
}

fn create(args: &CreateArgs, lang: Lang) -> Result<(), Failure> {
    let name = |text: &str| Name::parse(text).map_err(|error| Failure::Usage(faults::name(text, error, lang)));
    if (args.provider.is_some() && args.role != Role::Provider)
        || (args.supplier.is_some() && args.role != Role::Supplier)
    {
        let text = lang.pick(
            "--provider は --role provider と、--supplier は --role supplier と一緒に指定してください",
            "use --provider with --role provider, and --supplier with --role supplier",
        );
        return Err(Failure::Usage(text.to_owned()));
    }
    if [AUTOMATIC, COMMAND_LINE].contains(&args.name.as_str()) {
        let name = &args.name;
        return Err(Failure::Usage(lang.pick(
            format!("--name {name}: トークンによらない操作の記録に使う名前です。別の名前にしてください"),
            format!("--name {name}: this name is reserved for what was done without a token; use another name"),
        )));
    }
    let store = args.data.open(lang)?;
    let tenant = find_tenant(&store, &args.tenant.tenant, lang)?;
    let access = access(&store, tenant.id, "sonae token create");
    let provider_name = args.provider.as_deref().filter(|_| args.role == Role::Provider).map(name).transpose()?;
    let supplier_id = match args.supplier.as_deref().filter(|_| args.role == Role::Supplier) {
        None => None,
        Some(code) => {
            let found = access.read(|tx| suppliers::id_of_code(tx, code, None))?;
            let unknown = || {
                Failure::Usage(lang.pick(
                    format!("--supplier {code}: この取引先コードの取引先はありません"),
                    format!("--supplier {code}: no supplier has this code"),
                ))
            };
            Some(found.ok_or_else(unknown)?)
        }
    };
    let now = store.database.clock().now();
    let mut token = TokenRow {
        id: store.database.clock().id(),
        name: name(&args.name)?,
        role: args.role,
        provider_name,
        supplier_id,
        issued_at: now,
        expires_at: now.after(TimeDelta::hours(args.hours)),
        revoked_at: None,
    };
    // A name belongs to one token for ever, because records name their author by it. The next token of that name is
    // numbered.
    for number in 2.. {
        match access.write(|tx| tokens::insert(tx, &token)) {
            Ok(()) => break,
            Err(RepoError::Duplicate(_)) => token.name = name(&format!("{} {number}", args.name))?,
            Err(error) => return Err(error.into()),
        }
    }
    if token.name.as_str() != args.name {
        let (wanted, called) = (&args.name, &token.name);
        note(
            &lang.pick(
                format!("この発注者には「{wanted}」という名前のトークンが既にあるため、「{called}」としました"),
                format!("this buyer already has a token with the name \"{wanted}\"; this one is called \"{called}\""),
            ),
            lang,
        );
    }
    super::print(&format!("{}\n", store.keys.sign(tenant.id, &token)?))
}

fn list(tenant: &TenantArg, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let store = data.open(lang)?;
    let tenant = find_tenant(&store, &tenant.tenant, lang)?;
    let all = access(&store, tenant.id, "sonae token list").read(tokens::list)?;
    let now = store.database.clock().now();
    let line = |token: &TokenRow| {
        let state = match token.revoked_at {
            Some(at) => lang.pick(format!("{at} に取り消し"), format!("revoked {at}")),
            None if token.expires_at < now => {
                let at = token.expires_at;
                lang.pick(format!("{at} に期限切れ"), format!("expired {at}"))
            }
            None => {
                let at = token.expires_at;
                lang.pick(format!("{at} まで有効"), format!("valid until {at}"))
            }
        };
        format!("{}  {}  {}  {state}\n", token.id, token.role.key(), token.name)
    };
    super::print(&all.iter().map(line).collect::<String>())
}

fn revoke(wanted: &str, tenant: &TenantArg, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let store = data.open(lang)?;
    let tenant = find_tenant(&store, &tenant.tenant, lang)?;
    let access = access(&store, tenant.id, "sonae token revoke");
    let all = access.read(tokens::list)?;
    let found = all.into_iter().find(|token| token.name.as_str() == wanted || token.id.to_string() == wanted);
    let unknown = || {
        let tenant = &tenant.name;
        Failure::Usage(lang.pick(
            format!("{tenant} に {wanted} というトークンはありません。sonae token list で一覧できます"),
            format!("{tenant} has no token {wanted}; `sonae token list` lists them"),
        ))
    };
    let token = found.ok_or_else(unknown)?;
    access.write(|tx| tokens::revoke(tx, token.id))?;
    let name = &token.name;
    super::print(&lang.pick(format!("{name} は今後使えません\n"), format!("{name} is refused from now on\n")))
}
