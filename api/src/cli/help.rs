//! The help in Japanese. The English one stands with the commands and options themselves.

use clap::builder::Resettable;
use clap::{Arg, Command};

/// Texts of commands by their path, of options by their name, and of values by their option and name (`--lang=ja`). An option
/// has the path of its command before it if options of that name differ between commands. A second paragraph is shown by
/// `--help` and not by `-h`.
const JAPANESE_TEXTS: &[(&str, &str)] = &[
    ("", "備え（Sonae）: 取引先がサイバー事案で止まる確率、その損失、その理由を示します"),
    ("help", "このヘルプ、またはコマンドのヘルプを表示します"),
    ("--help", "ヘルプを表示します（-h は要約）"),
    ("--version", "版を表示します"),
    ("--config", "設定ファイル（TOML）。`sonae config --describe toml` で、すべての設定が入ったファイルを表示できます"),
    ("--lang", "表示の言語［省略時: ja。ロケールが英語なら en］"),
    ("--lang=ja", "日本語"),
    ("--lang=en", "英語"),
    (
        "demo",
        "架空の取引先で一部始終を示します\n\nIPAの2020年度実証事業と同じ割合の架空の1,117社を、毎回作り直す専用のデータフォルダーに取り込んで計算します。\
         その後、止めるまでこのマシンだけにサービスを公開します。",
    ),
    ("demo --data", "デモのフォルダー。毎回作り直します"),
    ("demo --listen", "待ち受けるアドレス［省略時: 127.0.0.1:8080。使用中なら空いているポート］"),
    ("demo --no_serve", "取り込みと計算と表示だけを行い、サービスは起動しません"),
    (
        "config",
        "有効な設定と、その出どころを表示します\n\n同じオプション・環境変数・設定ファイル（--config）で `sonae serve` を実行したときの設定を、TOMLの形式で1行ずつ表示します。\
         パスワードは表示しません。誤った設定があればすべて示し、終了コード2で終わります。",
    ),
    ("config --describe", "有効な設定の代わりに、すべての設定と既定値を、設定ファイルまたは表の形式で表示します"),
    ("config --describe=toml", "すべての設定をコメントにした設定ファイル"),
    ("config --describe=markdown", "オプション、環境変数、キーの表"),
    (
        "score",
        "フォルダーのCSVファイルを計算します\n\nDIR に suppliers.csv と、あれば relationships.csv、enrollments.csv、certifications.csv、assessments.csv、incidents.csv を置きます。\
         --out を省略すると、リスクの高い取引先と集計を表示します。",
    ),
    ("score --dir", "CSVファイルのあるフォルダー"),
    ("score --as_of", "基準日（YYYY-MM-DD）。それより後の根拠は使いません"),
    ("score --model", "組み込みのモデルの代わりに使う model.toml"),
    ("score --out", "結果を書き出すファイル（.csv、.xlsx、.parquet）"),
    ("score --explain", "この取引先のスコアを内訳と理由に開きます。複数回指定できます"),
    ("--accept_unread_columns", "関係がありそうなのに読めない列（言葉で書かれた業種など）を、警告して読まずに進めます"),
    ("score --timings", "各段階の時間とメモリの最大値を標準エラーに出します"),
    (
        "serve",
        "サービスを起動します\n\n証明書を指定するか、証明書のあるプロキシを前に置かないかぎり、このマシンだけで待ち受けます。/docs のページで全操作を確認し、試せます。",
    ),
    ("--listen", "リクエストを待ち受けるアドレス"),
    ("--admin_listen", "/livez、/readyz、/metrics を待ち受けるアドレス（ループバックのみ）"),
    ("--tls_cert", "証明書チェーン（PEM）"),
    ("--tls_key", "証明書の秘密鍵（PEM）"),
    (
        "--behind_proxy",
        "前に置いたプロキシがTLSを終端します。証明書なしで他のマシンからの接続を受け付けます\n\nサービスに届くのはそのプロキシだけにし、プロキシ自身が X-Forwarded-For と X-Forwarded-Proto を付けてください。\
         リクエストは X-Forwarded-For の最後のアドレスで数えます。このオプションがなければ、どちらのヘッダーも見ません。",
    ),
    ("--workers", "リクエストを処理するスレッドの数［省略時: コアごとに1］"),
    ("--log_format", "ログの形式"),
    ("--log_format=human", "人が読む形式"),
    ("--log_format=json", "1行に1つのJSONオブジェクト"),
    ("--model", "組み込みのモデルの代わりに使う model.toml"),
    (
        "--rescore_after_seconds",
        "データの変更が止まってから自動で計算し直すまでの秒数。発注者ごとに止められます［省略時: 前回の計算が1秒未満なら0、それ以外は2］\n\n\
         省略した場合は、計算のあと、かかった時間の4倍（2秒以上5分以内）休みます。秒数を指定した場合は休みません。",
    ),
    (
        "import",
        "フォルダーのファイルを取り込みます\n\nDIR に suppliers.csv、relationships.csv、enrollments.csv、certifications.csv、assessments.csv、incidents.csv、supplier_codes.csv、provider_assignments.csv を、\
         CSV、NDJSON（.ndjson）、または同じ名前のシートがあるブック（.xlsx）で置きます。全部のファイルを取り込むか、何も取り込まないかのどちらかです。",
    ),
    ("import --dir", "ファイルのあるフォルダー"),
    ("import --source", "行の出所。external_id は出所ごとに区別します"),
    (
        "import --mode",
        "all_or_nothing、accept_valid（誤りのない行だけ取り込む）、replace（出所から消えたものを終了にする）",
    ),
    ("import --dry_run", "確認と集計だけを行い、何も保存しません"),
    ("import --confirm", "replace で、その出所の20%を超える記録の終了を認めます"),
    ("--tenant", "対象の発注者（名前またはID）"),
    (
        "migrate",
        "データベースの表を最新にします\n\n新しい版の最初のプロセスを起動する前に実行します。PostgreSQLでは、行レベルセキュリティに欠けているものも補います。",
    ),
    (
        "migrate --check",
        "何も変更せず、行われることだけを示します\n\n終了コードは、0: 何もない、1: 未適用の移行がある、または行レベルセキュリティが不完全、3: より新しい版の表がある。",
    ),
    ("score-run", "保存されているデータを計算し、計算の一覧を示し、再現できることを確かめます"),
    ("score-run start", "保存されている取引先を計算し、結果を保存します"),
    ("score-run list", "保存されている計算を、基準日の新しい順に示します"),
    ("score-run reproduce", "保存されている計算を同じモデルでやり直し、すべてのビットを比べます"),
    ("score-run --id", "計算のID"),
    ("score-run --as_of", "基準日（YYYY-MM-DD）。その日に分かっていたことを使います［省略時: 発注者の今日］"),
    ("score-run --known_at", "この時点（RFC 3339）に分かっていたことで計算します"),
    ("score-run --model", "組み込みのモデルの代わりに model.toml を試します。発注者のスコアは変わりません"),
    (
        "prune",
        "保存期間を過ぎた自動計算と書き出しのファイルを削除します\n\n人が始めた計算と書き出した計算、発注者の設定が残すと定める自動計算は残ります。",
    ),
    ("prune --dry_run", "削除されるものを示すだけにします"),
    ("tenant", "発注者を追加・一覧・停止・削除します"),
    ("tenant create", "発注者を追加し、IDを表示します"),
    ("tenant list", "発注者の一覧を示します"),
    ("tenant suspend", "発注者のすべてのトークンを拒否します"),
    ("tenant resume", "停止した発注者のトークンを再び受け付けます"),
    ("tenant delete", "発注者とそのすべてのデータを、元に戻せない形で削除します"),
    ("tenant create --name", "名前"),
    ("tenant create --time_zone", "日付の区切りに使うタイムゾーン"),
    ("tenant --tenant", "名前またはID"),
    ("tenant delete --confirm", "確認のため、もう一度名前を指定します。元には戻せません"),
    ("token", "トークンを発行・一覧・失効します"),
    ("token create", "トークンを発行し、1回だけ表示します"),
    ("token list", "発注者のトークンの一覧を示します"),
    ("token revoke", "トークンを失効させます"),
    ("token create --name", "名前。登録した人の記録としても残ります"),
    (
        "token create --role",
        "役割: viewer、integrator、analyst、admin、auditor、provider（お助け隊事業者）、supplier（取引先）",
    ),
    ("token create --hours", "有効な時間数［省略時: 12、最長: 2160（90日）］"),
    ("token create --provider", "役割が provider のときの事業者名"),
    ("token create --supplier", "役割が supplier のときの取引先コード"),
    ("token revoke --token", "名前またはID"),
    ("key", "トークンに署名する鍵を一覧・交代・廃止します"),
    ("key list", "鍵を古い順に示します"),
    (
        "key rotate",
        "新しい鍵を作り、以後の署名に使います。それまでのトークンも有効です\n\n起動中のサービスは自動で新しい鍵を使います。",
    ),
    ("key retire", "署名に使わなくなった鍵を削除します。その鍵で署名されたトークンは以後拒否されます"),
    ("key retire --id", "`sonae key list` に表示されるID"),
    ("key retire --now", "その鍵で署名されたトークンがまだ有効でも削除します"),
    ("key --data", "鍵のあるデータフォルダー"),
    (
        "backup",
        "鍵と組み込みのデータベースを新しいフォルダーに複製します\n\nサービスの起動中でも実行できます。できたフォルダーはデータフォルダーで、`sonae serve --data DIR` でそのまま使えます。",
    ),
    ("backup --dir", "作成するフォルダー。途中で失敗したものは残りません"),
    (
        "health",
        "このマシンのサービスが応答できるかを確かめます\n\n準備ができていれば0、できていなければ理由を示して1で終わります。",
    ),
    ("health --live", "プロセスが応答するかだけを確かめ、データベースは確かめません"),
    ("health --admin_listen", "/livez と /readyz のアドレス"),
    ("health --timeout_seconds", "応答を待つ秒数。サービス自身は5秒であきらめます"),
    ("service", "登録されているお助け隊サービスを取り込み、一覧を示します"),
    (
        "service import",
        "CSVファイルからサービスを追加し、事業者名とサービス名が同じものを更新します\n\n列: provider_name、service_name、service_class（class_1、class_2、new_type）など。",
    ),
    ("service import --file", "ファイル"),
    ("service list", "サービスの一覧を示します"),
    ("--data", "データフォルダー。鍵と、サーバーを指定しないかぎり組み込みのデータベースを置きます。なければ作ります"),
    (
        "--url",
        "組み込みのデータベースの代わりに使うPostgreSQLサーバーのURL（postgres://user@host/database）。コマンドラインはほかのユーザーにも見えます。\
         パスワードは、ファイル（--database-url-file）、環境変数、~/.pgpass のいずれかで渡してください",
    ),
    ("--url_file", "1行目がそのURLであるファイル"),
    ("--replica_url", "そのサーバーの複製のURL。追いついている間は、読み取りに使います"),
    ("--replica_url_file", "1行目が複製のURLであるファイル"),
    ("--allow_plaintext_db", "ほかのマシンのサーバーへの暗号化しない接続を認めます"),
    ("--no_migrate", "未適用の移行があれば、実行せずに起動を拒否します。実行するのは `sonae migrate` です"),
    ("--connections", "このプロセスのデータベース接続の最大数［省略時: スレッドごとに4、4〜64］"),
    ("--statement_seconds", "PostgreSQLサーバーでのリクエストの1文のタイムアウト（秒）"),
    ("--max_connections", "接続の最大数。超えた接続は待ちます。開けるファイルの数が少なければ、それに合わせて下げます"),
    (
        "--max_connections_per_address",
        "1つのアドレス（IPv6は/64のネットワーク）からの接続の最大数。プロキシの後ろでは、X-Forwarded-For の最後のアドレスごとの処理中のリクエストの数",
    ),
    (
        "--keep_alive_seconds",
        "リクエストの間に接続を保つ秒数。前に置いたプロキシより長くします［省略時: 5、プロキシの後ろでは75］",
    ),
    ("--head_seconds", "リクエストの先頭を受け取るタイムアウト（秒）"),
    ("--answer_seconds", "応答を読み取らない相手のタイムアウト（秒）"),
    ("--json_bytes", "JSONの本文の最大の大きさ（バイト）"),
    ("--text_upload_bytes", "CSV・NDJSONのファイルの最大の大きさ（バイト）"),
    ("--xlsx_upload_bytes", "ブックの最大の大きさ（バイト）"),
    ("--json_seconds", "JSONの本文を受け取るタイムアウト（秒）"),
    ("--upload_seconds", "ファイルを受け取るタイムアウト（秒）"),
    ("--min_bytes_per_second", "猶予のあとに本文が届くべき最低の速さ（バイト毎秒）"),
    ("--grace_seconds", "本文の初めに速さを問わない猶予（秒）"),
    ("--max_rows", "CSV・NDJSONの表の最大の行数"),
    ("--xlsx_unpacked_bytes", "展開したブックの最大の大きさ（バイト）"),
    ("--max_findings", "1回の取り込みで残す指摘の最大の数。それを超えた分は数だけ数えます"),
    ("--max_open_jobs", "1つの発注者の、待っているか実行中のジョブの最大の数"),
    ("--min_free_disk_bytes", "データフォルダーのディスクに残す空き（バイト）。下回ると /readyz は503を返します"),
    ("--warm_frames_mb", "最近参照された計算結果を置くメモリ（MB）。100,000社で約80MB"),
];

const JAPANESE_TEMPLATE: &str = "{before-help}{about-with-newline}\n使い方: {usage}\n\n{all-args}{after-help}";

/// Gives a command line its Japanese help.
pub(super) fn in_japanese(mut root: Command) -> Command {
    // Only a command that is built has the options for its help.
    root.build();
    translated(root, &[])
}

fn translated(mut command: Command, path: &[String]) -> Command {
    let (about, long_about) = parts(&path.join(" "));
    let usage = command.render_usage().to_string();
    command
        .override_usage(usage_in_japanese(&usage))
        .about(about)
        .long_about(long_about.map_or(Resettable::Reset, |text| Resettable::Value(text.into())))
        .help_template(JAPANESE_TEMPLATE)
        .subcommand_help_heading("コマンド")
        .mut_args(|arg| argument(arg, path))
        .mut_subcommands(|inner| {
            let path: Vec<_> = path.iter().cloned().chain([inner.get_name().to_owned()]).collect();
            if inner.get_name() == "help" { inner.about(parts("help").0) } else { translated(inner, &path) }
        })
}

/// Returns the usage without the English words that clap puts into it.
pub(super) fn usage_in_japanese(usage: &str) -> String {
    let usage = usage.trim().trim_start_matches("Usage:").trim();
    usage.replace("[OPTIONS]", "[オプション]").replace("<COMMAND>", "<コマンド>").replace("[COMMAND]", "[コマンド]")
}

fn argument(arg: Arg, path: &[String]) -> Arg {
    let key = key_of(path, arg.get_id().as_str());
    let (help, long_help) = parts(&key);
    let heading = if arg.is_positional() { "引数" } else { "オプション" };
    let (values, others) = (values(&arg, &key), default_and_variable(&arg));
    let long = [long_help.unwrap_or(help), &values.join("\n"), &others];
    let long: Vec<_> = long.into_iter().filter(|part| !part.is_empty()).collect();
    let names: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let names = if names.is_empty() { String::new() } else { format!("［{}］", names.join("、")) };
    arg.help(format!("{help}{names}{others}"))
        .long_help(long.join("\n\n"))
        .help_heading(heading)
        // These have English words, and are in the text now.
        .hide_possible_values(true)
        .hide_default_value(true)
        .hide_env(true)
}

/// Returns a line for each value that an option may have, if the values have a meaning of their own.
fn values(arg: &Arg, key: &str) -> Vec<String> {
    let known = explained_values(arg);
    known.iter().map(|name| format!("- {name}: {}", find(&format!("{key}={name}")).unwrap_or_default())).collect()
}

fn explained_values(arg: &Arg) -> Vec<String> {
    let values = arg.get_possible_values();
    let explained = values.iter().filter(|value| value.get_help().is_some());
    explained.map(|value| value.get_name().to_owned()).collect()
}

fn default_and_variable(arg: &Arg) -> String {
    let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
    let default = default.map(|value| format!("［省略時: {}］", value.to_string_lossy()));
    let variable = arg.get_env().map(|name| format!("［環境変数: {}］", name.to_string_lossy()));
    [default, variable].into_iter().flatten().collect()
}

/// The key of an option: the most specific one that there is.
fn key_of(path: &[String], id: &str) -> String {
    let keys = (0..=path.len()).rev().map(|length| {
        let path: Vec<_> = path.iter().take(length).map(String::as_str).chain([""]).collect();
        format!("{}--{id}", path.join(" "))
    });
    let mut keys = keys.filter(|key| find(key).is_some());
    keys.next().unwrap_or_default()
}

fn find(key: &str) -> Option<&'static str> {
    JAPANESE_TEXTS.iter().find(|(known, _)| *known == key).map(|(_, text)| *text)
}

/// The short text, and the whole one if it has two paragraphs.
fn parts(key: &str) -> (&'static str, Option<&'static str>) {
    let text = find(key).unwrap_or_default();
    match text.split_once("\n\n") {
        Some((short, _)) => (short, Some(text)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// Notes the keys that a command line needs.
    fn note_keys(command: &Command, path: &[String], keys: &mut BTreeSet<String>) {
        keys.insert(path.join(" "));
        for arg in command.get_arguments() {
            let key = key_of(path, arg.get_id().as_str());
            assert!(key.contains("--"), "{path:?} {} has no Japanese help", arg.get_id());
            keys.extend(explained_values(arg).iter().map(|name| format!("{key}={name}")));
            keys.insert(key);
        }
        for inner in command.get_subcommands() {
            let name = inner.get_name().to_owned();
            if name == "help" {
                keys.insert(name);
                continue;
            }
            let path: Vec<_> = path.iter().cloned().chain([name]).collect();
            note_keys(inner, &path, keys);
        }
    }

    #[test]
    fn every_command_option_and_value_has_japanese_help_and_no_text_is_left_over() {
        let mut root = Cli::command();
        root.build();
        let mut keys = BTreeSet::new();
        note_keys(&root, &[], &mut keys);
        let known: BTreeSet<String> = JAPANESE_TEXTS.iter().map(|(key, _)| (*key).to_owned()).collect();
        assert_eq!(known.len(), JAPANESE_TEXTS.len(), "a key stands there twice");
        assert_eq!(known, keys);
        let help = in_japanese(Cli::command()).render_long_help().to_string();
        assert!(help.contains("使い方: sonae [オプション] <コマンド>"), "{help}");
        for english in ["Usage", "OPTIONS", "COMMAND", "default", "env:", "ossible values", "English"] {
            assert!(!help.contains(english), "{english} in\n{help}");
        }
    }
}
