//! Determines where the database is, from the options and from the notes of earlier starts in the data folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schema::{DatabasePlace, SSL_MODES, ServerUrl, UrlError};
use scoring::Lang;

use super::DatabaseOptions;
use crate::base::machine::private_file;
use crate::base::text::Text;

/// The file in a data folder that says that the database is on a server. It contains the server's URL without the
/// password.
///
/// Without it, a command that lacks the URL would create an embedded database next to the keys of such a service.
pub(crate) const SERVER_NOTE_FILE: &str = "database-server";

/// Why the place of the database cannot be determined, or is not allowed.
#[derive(Debug)]
pub enum PlaceError {
    /// Both a URL and a file with a URL are given.
    Both(&'static str),
    /// A replica is given without the server that it follows.
    ReplicaAlone,
    /// A file with a URL cannot be read. Holds the option for the URL too.
    File(&'static str, PathBuf, io::Error),
    /// A file does not begin with a URL. Holds the option for the URL too.
    Blank(&'static str, PathBuf),
    /// A URL cannot be used. Holds the file that it is in, if any.
    Url(Option<PathBuf>, UrlError),
    /// The data folder belongs to a service with this server, and no server is given.
    OnServer(PathBuf, String),
    /// The data folder holds an embedded database, and a server is given.
    Embedded(PathBuf, String),
}

impl PlaceError {
    /// Returns the reason for a person at the command line.
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Self::Both(option) => lang.pick(
                format!("--{option} と --{option}-file の両方が指定されています。どちらか一方にしてください（環境変数と設定ファイルの指定も含みます）"),
                format!("--{option} and --{option}-file are both set, here, in the environment or in the settings file; leave one out"),
            ),
            Self::ReplicaAlone => lang.pick(
                "--database-replica-url にはプライマリの指定も必要です。DATABASE_URL などで指定してください".to_owned(),
                "--database-replica-url needs a server that the replica follows; set DATABASE_URL or --database-url".to_owned(),
            ),
            Self::File(option, path, error) => {
                let (name, path) = (file_setting(option), path.display());
                lang.pick(
                    format!("{name}: {path} を読めません: {error}"),
                    format!("{name}: {path} cannot be read: {error}"),
                )
            }
            Self::Blank(option, path) => {
                let (name, path) = (file_setting(option), path.display());
                lang.pick(
                    format!("{name}: {path} の1行目が空です。1行目にデータベースのURLを書いてください"),
                    format!("{name}: the first line of {path} is empty; write the database's URL there"),
                )
            }
            Self::Url(None, error) => url_text(error, lang),
            Self::Url(Some(path), error) => format!("{}: {}", path.display(), url_text(error, lang)),
            Self::OnServer(folder, server) => {
                let (folder, note) = (folder.display(), folder.join(SERVER_NOTE_FILE));
                let note = note.display();
                lang.pick(
                    format!(
                        "{folder} は、データベースをサーバー（{server}）に置くサービスのデータフォルダーです。DATABASE_URL、DATABASE_URL_FILE、\
                         または --config を指定してください。組み込みのデータベースに戻す場合は {note} を削除してください"
                    ),
                    format!(
                        "{folder} belongs to a service whose database is on a server ({server}); set DATABASE_URL, DATABASE_URL_FILE \
                         or --config as that service has it. To use an embedded database there again, delete {note}"
                    ),
                )
            }
            Self::Embedded(folder, server) => {
                let folder = folder.display();
                lang.pick(
                    format!(
                        "{folder} には組み込みのデータベース（sonae.db）があり、その内容はサーバー（{server}）には移りません。--data で別のフォルダーを\
                         指定するか、sonae.db、sonae.db-wal、sonae.db-shm を別の場所に移してください"
                    ),
                    format!(
                        "{folder} holds an embedded database (sonae.db), and nothing moves its rows to a server ({server}); name another \
                         folder with --data, or move sonae.db, sonae.db-wal and sonae.db-shm elsewhere"
                    ),
                )
            }
        }
    }
}

impl std::fmt::Display for PlaceError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text(Lang::En))
    }
}

impl std::error::Error for PlaceError {}

/// Returns the setting that names the file with a URL, as messages show it.
fn file_setting(option: &str) -> String {
    format!("--{option}-file ({}_FILE)", option.replace('-', "_").to_uppercase())
}

/// Returns what is wrong with a URL.
pub(crate) fn url_text(error: &UrlError, lang: Lang) -> String {
    let Lang::Ja = lang else { return error.to_string() };
    match error {
        UrlError::Scheme => {
            "データベースのURLは postgres://ユーザー@ホスト/データベース の形で指定してください。データフォルダーの組み込みデータベースを使う場合は指定しません".to_owned()
        }
        UrlError::Unescaped(character) => {
            let (shown, escaped) = error.escape().unwrap_or_default();
            let shown = if *character == ' ' { "空白".to_owned() } else { shown };
            format!(
                "データベースのURLを読み取れません。パスワードの中の {shown} は {escaped} と書いてください。URLで意味を持つ他の文字も同様です: \
                 / %2F、? %3F、# %23、@ %40、% %25、空白 %20"
            )
        }
        UrlError::Port => {
            "データベースのURLのポートが1〜65535の数値ではありません。パスワードは postgres://ユーザー:パスワード@ホスト/データベース のように「:」と「@」の間に書きます".to_owned()
        }
        UrlError::Brackets => {
            "データベースのURLの [ ] の中がIPv6アドレスではありません。[::1] または [::1]:5432 のように書いてください".to_owned()
        }
        UrlError::Option => {
            "データベースのURLの ? より後に、PostgreSQLの接続オプションではないものがあります。名前=値 を & で区切って書いてください".to_owned()
        }
        UrlError::Twice(name) => format!("データベースのURLにオプション {name} が2回あります"),
        UrlError::SslMode => {
            format!("データベースのURLの sslmode の値が正しくありません。{} のいずれかにしてください", SSL_MODES.join("、"))
        }
        UrlError::Service => "データベースのURLでは、service の代わりにホストを指定してください".to_owned(),
        UrlError::InTheClear { host, .. } => format!(
            "{host} との間で、データとパスワードが暗号化されずに流れます。URLに sslmode=verify-full と sslrootcert=ファイル を付けるか（--features postgres-tls でビルドしたものが必要です）、\
             安全なネットワークであれば --allow-plaintext-db を指定してください"
        ),
        UrlError::NoTls(mode) => format!(
            "このビルドはデータベースとの通信を暗号化できません（sslmode={mode}）。--features postgres-tls でビルドしてください"
        ),
    }
}

impl DatabaseOptions {
    /// Returns where the database is: in the data folder, unless a server is given.
    pub(crate) fn place(&self, folder: &Path) -> Result<DatabasePlace, PlaceError> {
        let url = url_of("database-url", self.url.as_ref(), self.url_file.as_deref())?;
        let replica = url_of("database-replica-url", self.replica_url.as_ref(), self.replica_url_file.as_deref())?;
        let check = |url: &ServerUrl, file: &Option<PathBuf>| {
            url.check_transport(self.allow_plaintext_db).map_err(|error| PlaceError::Url(file.clone(), error))
        };
        let Some(url) = url else {
            if replica.is_some() {
                return Err(PlaceError::ReplicaAlone);
            }
            return match fs::read_to_string(folder.join(SERVER_NOTE_FILE)) {
                Ok(server) => Err(PlaceError::OnServer(folder.to_owned(), server.trim().to_owned())),
                Err(_) => Ok(DatabasePlace::Folder(folder.to_owned())),
            };
        };
        check(&url, &self.url_file)?;
        if let Some(replica) = &replica {
            check(replica, &self.replica_url_file)?;
        }
        if folder.join("sonae.db").exists() {
            return Err(PlaceError::Embedded(folder.to_owned(), url.to_string()));
        }
        Ok(DatabasePlace::Server { url, replica })
    }
}

/// Reads a URL from an option or from the first line of a file.
fn url_of(option: &'static str, url: Option<&ServerUrl>, file: Option<&Path>) -> Result<Option<ServerUrl>, PlaceError> {
    let Some(path) = file else { return Ok(url.cloned()) };
    if url.is_some() {
        return Err(PlaceError::Both(option));
    }
    let text = fs::read_to_string(path).map_err(|error| PlaceError::File(option, path.to_owned(), error))?;
    let line = text.lines().next().unwrap_or_default();
    if line.trim().is_empty() {
        return Err(PlaceError::Blank(option, path.to_owned()));
    }
    line.parse().map(Some).map_err(|error| PlaceError::Url(Some(path.to_owned()), error))
}

/// Returns a warning about a data folder that an earlier command used with another database on a server.
pub(crate) fn other_server(folder: &Path, place: &DatabasePlace) -> Option<Text> {
    let DatabasePlace::Server { url, .. } = place else { return None };
    let kept = fs::read_to_string(folder.join(SERVER_NOTE_FILE)).ok()?;
    let earlier: ServerUrl = kept.trim().parse().ok()?;
    if url.is_same_database(&earlier) {
        return None;
    }
    let folder = folder.display();
    Some(Text::new(
        format!(
            "{folder} は {earlier} のサービスのデータフォルダーでしたが、{url} のデータフォルダーになりました。誤りであれば、元のURLでもう一度実行してください"
        ),
        format!(
            "{folder} belonged to a service with {earlier}, and now belongs to one with {url}; if that is wrong, run the command with the earlier URL"
        ),
    ))
}

/// Writes a note into the data folder that its database is on a server.
pub(crate) fn note_server(folder: &Path, url: &ServerUrl) {
    let (path, note) = (folder.join(SERVER_NOTE_FILE), format!("{url}\n"));
    if fs::read_to_string(&path).is_ok_and(|kept| kept == note) {
        return;
    }
    // If this fails, an embedded database cannot be created either.
    let _ = private_file().create(true).truncate(true).open(&path).and_then(|mut file| file.write_all(note.as_bytes()));
}
