//! `sonae key`: the keys that tokens are signed with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use schema::Clock;
use scoring::Lang;

use super::{DEFAULT_DATA, Failure};
use crate::base::keys::{MAX_TOKEN_LIFETIME, NotRetired, list_keys, retire_key, rotate_keys};
use crate::base::machine::hide_new_files;
use crate::base::text::with_causes;

/// List, rotate and retire the keys that tokens are signed with
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the keys, the oldest first
    List {
        #[command(flatten)]
        keys: KeysFolder,
    },
    /// Create a new key, which signs from now on; tokens of other keys stay valid
    ///
    /// Running services pick it up by themselves.
    Rotate {
        #[command(flatten)]
        keys: KeysFolder,
    },
    /// Remove a key that no longer signs; tokens that it signed are refused from then on
    Retire {
        /// Its id, as `sonae key list` shows it
        id: String,
        /// Remove it even if tokens that it signed may still be in use
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        keys: KeysFolder,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct KeysFolder {
    /// The data folder that holds the keys
    #[arg(long, value_name = "DIR", env = "SONAE_DATA", default_value = DEFAULT_DATA)]
    data: PathBuf,
}

pub(super) fn run(verb: &Verb, lang: Lang) -> Result<(), Failure> {
    hide_new_files();
    match verb {
        Verb::List { keys } => list(keys.existing(lang)?, lang),
        Verb::Rotate { keys } => {
            let id = rotate_keys(keys.existing(lang)?, &Clock::system())?;
            let ja = format!("{id} で署名します。これまでの鍵のトークンは引き続き使えます\n");
            super::print(&lang.pick(ja, format!("{id} signs from now on; tokens of the other keys stay valid\n")))
        }
        Verb::Retire { id, now, keys } => {
            let unused_at = (!now).then(|| Clock::system().now());
            retire_key(keys.existing(lang)?, id, unused_at).map_err(|error| not_retired(id, &error, lang))?;
            let ja = format!("{id} を削除しました。この鍵のトークンは5秒以内に拒否されます\n");
            super::print(&lang.pick(ja, format!("{id} was removed; its tokens are refused within 5 seconds\n")))
        }
    }
}

impl KeysFolder {
    fn existing(&self, lang: Lang) -> Result<&Path, Failure> {
        if self.data.join("keys").is_dir() {
            return Ok(&self.data);
        }
        let data = self.data.display();
        let ja = format!("--data {data}: 鍵がありません。サービスのデータフォルダーを指定してください");
        Err(Failure::Usage(
            lang.pick(ja, format!("--data {data}: it holds no keys; name the data folder of the service")),
        ))
    }
}

fn list(data: &Path, lang: Lang) -> Result<(), Failure> {
    let (mut text, now) = (String::new(), Clock::system().now());
    for key in list_keys(data)? {
        let made = key.made_at.map_or_else(|| "?".to_owned(), |at| at.to_string());
        let state = match key.unused_from {
            _ if key.signs => lang.pick("署名と検証", "signs").to_owned(),
            Some(at) if at <= now => lang.pick("検証のみ、削除できます", "verifies, can be retired").to_owned(),
            Some(at) => {
                lang.pick(format!("検証のみ、{at} から削除できます"), format!("verifies, can be retired from {at}"))
            }
            None => lang.pick("検証のみ", "verifies").to_owned(),
        };
        text +=
            &lang.pick(format!("{}  作成 {made}  {state}\n", key.id), format!("{}  created {made}  {state}\n", key.id));
    }
    super::print(&text)
}

fn not_retired(id: &str, error: &NotRetired, lang: Lang) -> Failure {
    let days = MAX_TOKEN_LIFETIME.num_days();
    match error {
        NotRetired::Unknown => Failure::Usage(lang.pick(
            format!("{id} という鍵はありません。sonae key list で一覧を見られます"),
            format!("there is no key {id}; `sonae key list` lists them"),
        )),
        NotRetired::Signs => Failure::Usage(lang.pick(
            format!("{id} は署名に使われています。先に sonae key rotate を実行してください"),
            format!("{id} signs tokens; run `sonae key rotate` first"),
        )),
        NotRetired::InUse(until) => Failure::Usage(lang.pick(
            format!("この鍵のトークン（最長{days}日）は {until} まで使われている可能性があります。それらを無効にしてよければ --now を付けてください"),
            format!("tokens that it signed (valid for at most {days} days) may be in use until {until}; add --now to refuse them all"),
        )),
        NotRetired::Failed(error) => Failure::Data(lang.pick(
            format!("失敗しました: {}", with_causes(error)),
            format!("failed: {}", with_causes(error)),
        )),
    }
}
